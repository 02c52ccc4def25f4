package ui

import (
	"encoding/json"
	"io"
	"sync"

	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// NDJSON writes events as JSON, one document per line, safe for concurrent use.
type NDJSON struct {
	mu  sync.Mutex
	enc *json.Encoder
	err error
}

// NewNDJSON writes to w.
func NewNDJSON(w io.Writer) *NDJSON {
	enc := json.NewEncoder(JSON(w))
	enc.SetEscapeHTML(false)
	return &NDJSON{enc: enc}
}

// Event writes e.
func (n *NDJSON) Event(e event.Event) { n.write(e) }

// Last writes the line after all events: the result, the error, or both. It
// returns the first error of any write.
func (n *NDJSON) Last(document any) error {
	n.write(document)
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.err
}

func (n *NDJSON) write(document any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.enc.Encode(document); n.err == nil {
		n.err = err
	}
}
