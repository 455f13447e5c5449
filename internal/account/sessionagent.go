package account

import (
	"strings"
	"unicode/utf8"
)

// maxAgent is what is kept of a User-Agent header, in bytes.
const maxAgent = 200

// cutAgent returns what is kept of a User-Agent header: anybody may send anything.
func cutAgent(agent string) string {
	agent = strings.Map(func(r rune) rune {
		if unprintable(r) {
			return -1
		}
		return r
	}, agent[:min(len(agent), 4*maxAgent)])
	if len(agent) <= maxAgent {
		return agent
	}
	end := maxAgent
	for !utf8.RuneStart(agent[end]) {
		end--
	}
	return agent[:end]
}

// What browsers and systems call themselves. The first match counts: most browsers
// also say Chrome and Safari, and Android says Linux.
var (
	browsers = [][2]string{{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"}, {"Chrome/", "Chrome"}, {"CriOS/", "Chrome"}, {"Safari/", "Safari"}}
	systems  = [][2]string{{"Windows", "Windows"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"}}
)

// device returns what a User-Agent says it is, such as "Firefox, Linux", for people
// who look through their sessions. It may be empty, and it proves nothing.
func device(agent string) string {
	var parts []string
	for _, names := range [][][2]string{browsers, systems} {
		for _, n := range names {
			if strings.Contains(agent, n[0]) {
				parts = append(parts, n[1])
				break
			}
		}
	}
	return strings.Join(parts, ", ")
}
