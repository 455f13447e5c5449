package console

import (
	"os/exec"
	"testing"
)

// hostile are values that try to be more than a word of a shell.
var hostile = []string{
	"", "plain", "a b", "it's", `a\b`, `"x"`, "$(reboot)", "`id`", "a;b", "a\nb", "x\u202ednuora", "\x1b[31m", "~root", "*", "ünïcode", "-rf", `a\'b`, "tab\there", "!!",
}

func TestACommandIsThatOneWordForAShell(t *testing.T) {
	for _, s := range hostile {
		line := cli("x").flag("name", s).arg(s).String()
		out, err := exec.CommandContext(t.Context(), "bash", "-c", `set -- `+line+`; for a in "${@:3}"; do printf '<%s>' "$a"; done`).CombinedOutput()
		if err != nil {
			t.Errorf("%q: %v\n%s", line, err, out)
			continue
		}
		want := "<--name=" + s + "><" + s + ">"
		if s != "" && s[0] == '-' {
			want = "<--name=" + s + "><--><" + s + ">"
		}
		if string(out) != want {
			t.Errorf("%s: a shell reads %q, want %q", line, out, want)
		}
	}
}

func TestACommandHidesNothingFromTheEye(t *testing.T) {
	for _, s := range hostile {
		for _, r := range cli("x").arg(s).String() {
			if deceives(r) {
				t.Errorf("%q has %U in its line", s, r)
			}
		}
	}
}
