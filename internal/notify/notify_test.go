package notify_test

import (
	"bytes"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/internal/locale"
	"signet/internal/notify"
)

const (
	origin = "https://auth.example.org"
	from   = "Signet <signet@auth.example.org>"
	link   = origin + "/login/reset?code=sesame"
)

func newPost(t *testing.T, out notify.Sender) *notify.Post {
	t.Helper()
	texts, err := locale.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	return notify.New(texts, out, notify.Options{From: from, Origin: origin, Now: time.Now})
}

// read is a mail as its reader sees it.
type read struct {
	header        mail.Header
	subject, text string
}

func parse(t *testing.T, raw []byte) read {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v in:\n%s", err, raw)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	return read{m.Header, subject, strings.ReplaceAll(string(text), "\r\n", "\n")}
}

// written sends messages into files and returns the mails.
func written(t *testing.T, messages ...notify.Message) (all []read) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "mail")
	p := newPost(t, notify.NewFile(dir))
	for _, m := range messages {
		p.Send(t.Context(), m)
	}
	p.Flush(t.Context())
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, parse(t, raw))
	}
	return all
}
