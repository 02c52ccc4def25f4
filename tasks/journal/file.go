package journal

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
)

// name of the file, on hosts and here.
const name = "journal.jsonl"

// path is where the operator's machine keeps the journal of a cluster.
func path(cluster string) (string, error) {
	dir := os.Getenv("XDG_STATE_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "ghadeploy", cluster, name), nil
}

// File is the journal of a cluster on the operator's machine, to be written to.
type File struct {
	mu sync.Mutex
	f  *os.File // nil when it cannot be written
}

// Append opens the journal of a cluster. One that cannot be opened drops what is
// written to it: the hosts have it all the same.
func Append(cluster string) *File {
	f := &File{}
	if p, err := path(cluster); err == nil && os.MkdirAll(filepath.Dir(p), 0o700) == nil {
		f.f, _ = os.OpenFile(p, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	}
	return f
}

// Write appends an entry and syncs it. It is safe for concurrent use, and does nothing
// after Close.
func (f *File) Write(e Entry) {
	line, err := json.Marshal(e)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f == nil {
		return
	}
	if _, err := f.f.Write(append(line, '\n')); err == nil {
		_ = f.f.Sync()
	}
}

// Close closes the file.
func (f *File) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f != nil {
		_ = f.f.Close()
		f.f = nil
	}
}
