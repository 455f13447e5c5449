package web

import (
	"encoding/json"
	"net/http"
)

// WriteJSON answers with v as application/json. The error is that v cannot be
// encoded; a client that is gone is none.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
	return nil
}
