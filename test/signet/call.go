package signettest

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Answer is that of an HTTP request.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// JSON reads the body into out and ends the test where it is not such JSON.
func (a Answer) JSON(t testing.TB, out any) {
	t.Helper()
	if err := json.Unmarshal(a.Body, out); err != nil {
		t.Fatalf("answer %d: %v\n%.500s", a.Status, err, a.Body)
	}
}

// Problem is the refusal in an answer (RFC 9457).
type Problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Field     string `json:"field"`
	RequestID string `json:"request_id"`
}

var httpClient = &http.Client{
	Timeout:       30 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Call sends a request to the public listener. The token, where it is not empty, is
// sent as a bearer token; a body, where it is not empty, as JSON unless headers, which
// are pairs of name and value, say otherwise.
func (i *Instance) Call(method, path, token, body string, headers ...string) Answer {
	i.t.Helper()
	req, err := http.NewRequestWithContext(i.t.Context(), method, i.Origin+path, strings.NewReader(body))
	if err != nil {
		i.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for n := 0; n+1 < len(headers); n += 2 {
		req.Header.Set(headers[n], headers[n+1])
	}
	res, err := httpClient.Do(req)
	if err != nil {
		i.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	read, err := io.ReadAll(res.Body)
	if err != nil {
		i.t.Fatalf("%s %s: %v", method, path, err)
	}
	return Answer{res.StatusCode, res.Header, read}
}

// Metric returns the sum of a metric's values over all its labels.
func (i *Instance) Metric(name string) float64 {
	i.t.Helper()
	res, err := httpClient.Get(i.Operations + "/metrics") //nolint:noctx // loopback, bounded by its timeout
	if err != nil {
		i.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		i.t.Fatal(err)
	}
	sum, found := 0.0, false
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		var value float64
		if err := json.Unmarshal([]byte(line[strings.LastIndexByte(line, ' ')+1:]), &value); err != nil {
			i.t.Fatalf("metric %s: %v", line, err)
		}
		sum, found = sum+value, true
	}
	if !found {
		i.t.Fatalf("/metrics has no %s", name)
	}
	return sum
}
