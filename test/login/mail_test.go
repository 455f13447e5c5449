package login_test

import (
	"errors"
	"io"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	signettest "signet/test/signet"
)

// patience is how long a mail or a log line may take.
const patience = 10 * time.Second

// mails is where an installation leaves its mails.
type mails struct {
	dir string

	mu   sync.Mutex
	read []string // names
}

var linkInMail = regexp.MustCompile(`https?://\S+/(login/link|setup)/\S+`)

// link waits for the next mail to an address that has a link, and returns the link.
func (m *mails) link(t *testing.T, to string) (link string) {
	t.Helper()
	m.await(t, to, func(text string) bool {
		link = linkInMail.FindString(text)
		return link != ""
	})
	return link
}

// await waits for a mail to an address that has not been read, and is wanted.
func (m *mails) await(t *testing.T, to string, wanted func(text string) bool) {
	t.Helper()
	signettest.Await(t, "mail to "+to, patience, func() error {
		files, err := filepath.Glob(filepath.Join(m.dir, "*.eml"))
		if err != nil {
			return err
		}
		for _, f := range files {
			if m.isRead(f) {
				continue
			}
			if text := open(t, f, to); text != "" && wanted(text) {
				m.mu.Lock()
				defer m.mu.Unlock()
				m.read = append(m.read, f)
				return nil
			}
		}
		return errors.New("there is none")
	})
}

func (m *mails) isRead(file string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Contains(m.read, file)
}

// open returns subject and text of a mail to an address, and nothing of another mail.
func open(t *testing.T, file, to string) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	one, err := mail.ReadMessage(f)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if !strings.Contains(one.Header.Get("To"), to) {
		return ""
	}
	text, err := io.ReadAll(quotedprintable.NewReader(one.Body))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return one.Header.Get("Subject") + "\n" + string(text)
}
