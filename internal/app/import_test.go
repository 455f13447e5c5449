package app_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The rooms of the house, lowest first. Imports point down (CONTRIBUTING.md).
var layers = map[string]int{
	"fault": 0, "jws": 0, "dpop": 0, "sigv4": 0, "bucketpolicy": 0, "peertoken": 0, "policyproto": 0, // pure
	"config": 1, "ticket": 1, "db": 1, "push": 1, "web": 1, "ops": 1, "seal": 1, "once": 1, "limit": 1, "lease": 1,
	"audit": 1, "authapi": 1, "locale": 1, "page": 1, "notify": 1, "node": 1, "egress": 1, "durable": 1, "backup": 1, "keyfile": 1, "load": 1, "recent": 1, "deadline": 1, // platform
	"account": 2, "login": 2, "token": 2, "authroute": 2, "objects": 2, "outbox": 2, "federation": 2, // capabilities
	"console": 3,
	"app":     4,
}

// What protocols may import: they share one reading of signed tokens.
var forProtocols = map[string]bool{"fault": true, "jws": true}

type pkg struct {
	ImportPath  string
	Imports     []string
	TestImports []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,TestImports", "signet/...")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for d := json.NewDecoder(bufio.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return all
}

// room returns the part of the path that says what a package belongs to, and
// whether it is internal.
func room(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, "signet/internal/")
	name, _, _ := strings.Cut(rest, "/")
	return name, ok
}

func TestImportsPointDown(t *testing.T) {
	all := packages(t)
	if len(all) < 15 {
		t.Fatalf("go list found %d packages: nothing was checked", len(all))
	}
	for _, p := range all {
		from, internal := room(p.ImportPath)
		if !internal {
			continue
		}
		layer, known := layers[from]
		if !known {
			t.Errorf("%s is in no layer: list it here and in CONTRIBUTING.md", p.ImportPath)
		}
		for _, i := range append(p.Imports, p.TestImports...) {
			to, internal := room(i)
			if !internal {
				if strings.HasPrefix(i, "signet/") && i != "signet/authproof" && !strings.HasPrefix(i, "signet/test/") {
					t.Errorf("%s imports %s: of the public packages only authproof is for the inside", p.ImportPath, i)
				}
				continue
			}
			if to == from {
				continue
			}
			if layers[to] > layer {
				t.Errorf("%s imports %s, which lies above it", p.ImportPath, i)
			}
			if layer == 2 && layers[to] == 2 {
				t.Errorf("%s imports %s: capabilities never import each other", p.ImportPath, i)
			}
			if layer == 0 && !forProtocols[to] {
				t.Errorf("%s imports %s: a protocol package is pure", p.ImportPath, i)
			}
		}
	}
}

func TestEveryRoomOfTheListExistsAndIsNamedOrIsToCome(t *testing.T) {
	toCome := []string{"peertoken", "outbox", "federation"}
	rooms, err := os.ReadFile("../../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, p := range packages(t) {
		if name, ok := room(p.ImportPath); ok {
			have[name] = true
		}
	}
	for name := range layers {
		if !have[name] && !slices.Contains(toCome, name) {
			t.Errorf("the list has %s, the tree has not", name)
		}
		if have[name] && !strings.Contains(string(rooms), name+"/") {
			t.Errorf("CONTRIBUTING.md does not name %s/", name)
		}
	}
}

// What only the outside world has: files, network, processes, databases, logs.
var impure = []string{"net", "net/http", "os", "os/exec", "database/sql", "log", "log/slog", "syscall"}

// What single protocols have besides: sigv4 signs requests as net/http has them, and
// sums CRC64NVME, which the standard library does not know.
var besides = map[string][]string{
	"signet/internal/sigv4": {"net/http", "github.com/minio/crc64nvme"},
}

func TestProtocolPackagesArePure(t *testing.T) {
	for _, p := range packages(t) {
		from, internal := room(p.ImportPath)
		if protocol := internal && layers[from] == 0; !protocol && p.ImportPath != "signet/authproof" {
			continue
		}
		for _, i := range p.Imports {
			if slices.Contains(besides[p.ImportPath], i) {
				continue
			}
			thirdParty := strings.Contains(strings.Split(i, "/")[0], ".")
			to, _ := room(i)
			ours := strings.HasPrefix(i, "signet/") && (p.ImportPath == "signet/authproof" || !forProtocols[to])
			if slices.Contains(impure, i) || thirdParty || ours {
				t.Errorf("%s imports %s: it is to stand on the standard library, without the outside world", p.ImportPath, i)
			}
		}
	}
}

func TestPublicPackagesStandOnTheStandardLibrary(t *testing.T) {
	for _, p := range packages(t) {
		verifies := p.ImportPath == "signet/resource" // as the inside does, with the same protocols
		if p.ImportPath != "signet/client" && !verifies && !strings.HasPrefix(p.ImportPath, "signet/examples/") {
			continue
		}
		for _, i := range p.Imports {
			to, internal := room(i)
			if p.ImportPath == "signet/client" && strings.HasPrefix(i, "github.com/aws/") {
				continue // its S3 side wraps AWS's own
			}
			if strings.Contains(strings.Split(i, "/")[0], ".") || internal && (!verifies || layers[to] != 0) {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
		}
	}
}
