package app

import (
	"runtime/debug"
	"strings"
)

// Version is the module's version, with the commit where the build knows it.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key != "vcs.revision" {
			continue
		}
		if short := s.Value[:min(12, len(s.Value))]; !strings.Contains(v, short) {
			v += " " + short
		}
	}
	return v
}
