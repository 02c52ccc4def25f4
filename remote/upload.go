package remote

import (
	"io"
	"io/fs"
)

// Upload is one file to put on a host.
type Upload struct {
	// Source is read once, from its start to its end, unless the host has the file.
	Source io.ReaderAt
	Size   int64  // bytes
	SHA256 string // hexadecimal; what the host's copy must hash to
	// Path is absolute. The file appears there complete or not at all.
	Path string
	Mode fs.FileMode
	// Become puts the file where only root may write, owned by Owner.
	Become bool
	Owner  string // "root:grafana"; empty: whoever writes it
	// Transient files are used up by the next step: they are verified like all
	// others, and not synced. A power cut may cost the next run another transfer.
	Transient bool
	// Progress is told the bytes that the host has, of Size; may be nil. Called
	// from one goroutine at a time, at most some times a second.
	Progress func(done, size int64)
}

// UploadResult tells what [Client.Put] had to do.
type UploadResult struct {
	// Skipped: the host had the very file already.
	Skipped bool
	// Sent is the bytes that went over the line (less than Size on a resume).
	Sent int64
}
