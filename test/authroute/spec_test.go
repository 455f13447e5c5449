package authroute

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"signet/authproof"
)

const (
	specFile     = "../../docs/spec/authenticated-routing.md"
	registryFile = "../../docs/spec/authenticated-routing-registry.json"
	proofsFile   = "../../authproof/testdata/vectors.json"
)

type signedText struct {
	Name, Text, Signature string
	PublicKey             string `json:"public_key"`
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatal(err)
	}
}

func TestVectorsAreWhatTheSecondImplementationWrites(t *testing.T) {
	for part, file := range map[string]string{"proofs": proofsFile, "registry": registryFile} {
		got, err := exec.CommandContext(t.Context(), "/usr/bin/python3", "vectors.py", part).Output()
		if err != nil {
			t.Fatalf("vectors.py %s: %v (scripts/test-deps installs python3-cryptography)", part, err)
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s is not what vectors.py %s writes", file, part)
		}
	}
}

func TestRegistrySignaturesVerify(t *testing.T) {
	var registry struct{ Signed []signedText }
	readJSON(t, registryFile, &registry)
	if len(registry.Signed) == 0 {
		t.Fatal("no signatures")
	}
	for _, s := range registry.Signed {
		public, err := authproof.ParsePublicKey(s.PublicKey)
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		signature, err := base64.StdEncoding.DecodeString(s.Signature)
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		if !ed25519.Verify(public, []byte(s.Text), signature) {
			t.Errorf("%s: signature does not verify", s.Name)
		}
	}
}

// What a reader of the specification will copy is what the vectors say.
func TestExamplesOfTheSpecificationAreVectors(t *testing.T) {
	spec, err := os.ReadFile(specFile)
	if err != nil {
		t.Fatal(err)
	}
	var proofs struct {
		Signed []struct{ Name, Signed, Object, Proof string }
	}
	readJSON(t, proofsFile, &proofs)
	var registry struct {
		Signed []signedText
		DNS    []struct{ Address, Name, Text string }
	}
	readJSON(t, registryFile, &registry)

	examples := map[string][]string{}
	for _, p := range proofs.Signed[:2] {
		examples[p.Name] = []string{p.Signed, p.Object, p.Proof}
	}
	shown := []string{"first primary key", "certificate of a subkey", "possession of a subkey", "revocation list"}
	for _, s := range registry.Signed {
		if slices.Contains(shown, s.Name) {
			examples[s.Name] = []string{s.Text, s.Signature}
		}
	}
	for _, d := range registry.DNS {
		if d.Address == "alice@example.org" || d.Address == "john.doe@example.org" {
			examples[d.Address] = []string{d.Name, d.Text}
		}
	}
	if len(examples) != 2+len(shown)+2 {
		t.Fatalf("got %d examples", len(examples))
	}
	for name, parts := range examples {
		for _, part := range parts {
			block := "\n    " + strings.ReplaceAll(strings.TrimSuffix(part, "\n"), "\n", "\n    ") + "\n"
			if !strings.Contains(string(spec), block) {
				t.Errorf("%s: the specification lacks %s", name, block)
			}
		}
	}
}
