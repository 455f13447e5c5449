package policyproto_test

import (
	"strings"
	"testing"

	"signet/internal/policyproto"
)

func TestAnswersHaveTheFormOfTheProtocol(t *testing.T) {
	for want, a := range map[string]policyproto.Action{
		"action=DUNNO\n\n":                                         policyproto.Dunno(),
		"action=REJECT Key revoked\n\n":                            policyproto.Reject("Key revoked"),
		"action=REJECT\n\n":                                        policyproto.Reject(""),
		"action=DEFER Try later\n\n":                               policyproto.Defer("Try later"),
		"action=HOLD Invalid signature\n\n":                        policyproto.Hold("Invalid signature"),
		"action=PREPEND Authenticated-Routing: pass key-id=ab\n\n": policyproto.Prepend("Authenticated-Routing: pass key-id=ab"),
		"action=REJECT a??b ?c?\n\n":                               policyproto.Reject("a\r\nb \x00c\u00e9"),
		"action=PREPEND A: b?OK\n\n":                               policyproto.Prepend("A: b\nOK"),
		"action=REJECT ??\n\n":                                     policyproto.Reject("\xff\x80"),
		"action=REJECT " + strings.Repeat("x", 900) + "\n\n":       policyproto.Reject(strings.Repeat("x", 5000)),
	} {
		if got := string(a.AppendTo(nil)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if got := "action=" + a.String() + "\n\n"; got != want {
			t.Errorf("String: got %q, want %q", got, want)
		}
	}
}

func TestActionThatNobodyMadeIsDunno(t *testing.T) {
	if got := string(policyproto.Action{}.AppendTo(nil)); got != "action=DUNNO\n\n" {
		t.Errorf("got %q, want DUNNO", got)
	}
}

func TestPrependOfNoHeaderIsDunno(t *testing.T) {
	for _, text := range []string{"", "OK", "no colon", ": empty name", "two words: x", "N\u00e4me: x", "A:", "A: \n"[:3]} {
		if got := policyproto.Prepend(text).String(); got != "DUNNO" {
			t.Errorf("%q: got %q, want DUNNO", text, got)
		}
	}
}

// FuzzAction: whatever text an answer is made of, it stays one line that begins
// with the intended word.
func FuzzAction(f *testing.F) {
	f.Add("Key revoked")
	f.Add("x\naction=OK\n\n")
	f.Add("Authenticated-Routing: pass")
	f.Fuzz(func(t *testing.T, text string) {
		for verb, a := range map[string]policyproto.Action{
			"REJECT": policyproto.Reject(text), "DEFER": policyproto.Defer(text),
			"HOLD": policyproto.Hold(text), "PREPEND": policyproto.Prepend(text),
		} {
			got := string(a.AppendTo(nil))
			line, ok := strings.CutSuffix(got, "\n\n")
			if !ok || strings.ContainsAny(line, "\r\n\x00") || len(got) > 1024 {
				t.Fatalf("got %q", got)
			}
			word, _, _ := strings.Cut(strings.TrimPrefix(line, "action="), " ")
			if word != verb && (verb != "PREPEND" || word != "DUNNO") {
				t.Fatalf("got %q, want %s", got, verb)
			}
		}
	})
}

func BenchmarkAppendTo(b *testing.B) {
	buffer := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buffer = policyproto.Prepend("Authenticated-Routing: pass key-id=ab").AppendTo(buffer[:0])
	}
}
