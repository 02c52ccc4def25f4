package remote

import (
	"io"
	"strconv"
	"sync"
)

// frameWriter writes stdin in the frames that the pump on the host unpacks.
// Close sends the end of stdin and leaves the channel open.
type frameWriter struct {
	mu     sync.Mutex
	w      io.Writer
	closed bool
	// head goes before the first frame, as it is.
	head string
}

// begin sends the head, if that has not been done.
func (f *frameWriter) begin() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sendHead()
}

func (f *frameWriter) sendHead() error {
	head := f.head
	f.head = ""
	if head == "" {
		return nil
	}
	_, err := io.WriteString(f.w, head)
	return err
}

// maxFrame keeps dd's buffer on the host small and the number of dd processes
// for a long stream too.
const maxFrame = 256 << 10

func (f *frameWriter) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0, io.ErrClosedPipe
	}
	if err := f.sendHead(); err != nil {
		return 0, err
	}
	done := 0
	for done < len(p) {
		part := p[done:min(len(p), done+maxFrame)]
		// One write for head and body: one packet for short input.
		frame := append(strconv.AppendInt(make([]byte, 0, len(part)+8), int64(len(part)), 10), '\n')
		if _, err := f.w.Write(append(frame, part...)); err != nil {
			return done, err
		}
		done += len(part)
	}
	return done, nil
}

func (f *frameWriter) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	if err := f.sendHead(); err != nil {
		return err
	}
	_, err := io.WriteString(f.w, "0\n")
	return err
}

// feed copies r to w in frames as large as r's reads are.
func feed(w *frameWriter, r io.Reader) error {
	buf := make([]byte, maxFrame)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil {
				return werr
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
