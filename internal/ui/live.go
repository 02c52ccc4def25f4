package ui

import (
	"io"
	"strings"
	"sync"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// frameTime is the time between two frames: smooth for an eye, and little to
// send over a slow line.
const frameTime = 120 * time.Millisecond

// Live is a view for terminals: a block of rows at the bottom that changes in
// place, one for each host at work, while what is over scrolls away above it
// as plain lines. It reads no keys, so that Ctrl-C stays a signal, and changes
// no terminal mode, so that a killed run leaves the terminal as it was.
type Live struct {
	w    io.Writer
	size func() (columns, rows int)
	now  func() time.Time

	mu      sync.Mutex
	board   *board
	history *strings.Builder // lines that are not yet on the terminal
	plain   *Plain           // what of an event becomes history, and how
	drawn   []string         // the block as it stands on the terminal
	frame   int

	stop chan struct{}
	done chan struct{}
}

// NewLive starts a live view on s.Err. Close it.
func NewLive(s Streams, verbose bool) *Live {
	l := newLive(s.Err, s.ErrStyle, s.Size, verbose, time.Now)
	guard.Go(func() { l.run(time.NewTicker(frameTime)) })
	return l
}

func newLive(w io.Writer, s Style, size func() (int, int), verbose bool, now func() time.Time) *Live {
	history := &strings.Builder{}
	plain := newPlain(history, s, verbose, now)
	plain.columns = func() int { columns, _ := size(); return columns }
	return &Live{
		w: w, size: size, now: now, board: newBoard(s, now()), history: history,
		plain: plain,
		stop:  make(chan struct{}), done: make(chan struct{}),
	}
}

// Event implements [Progress]. Nothing is written before the next frame, so
// that a thousand events a second cost no more than ten.
func (l *Live) Event(e event.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.board.take(e)
	l.plain.Event(e)
}

func (l *Live) run(t *time.Ticker) {
	defer close(l.done)
	defer t.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-t.C:
			l.mu.Lock()
			l.draw()
			l.mu.Unlock()
		}
	}
}

// draw replaces the block, with new history above it, in one write.
func (l *Live) draw() {
	columns, rows := l.size()
	l.frame++
	block := l.board.render(l.now(), columns-1, rows, l.frame)
	var b strings.Builder
	b.WriteString(l.erase(columns))
	l.flush(&b)
	b.WriteString(strings.Join(block, "\n"))
	l.drawn = block
	_, _ = io.WriteString(l.w, b.String()) // a terminal that is gone cannot be told
}

// erase moves to the beginning of the block and clears from there on. The
// terminal may have become narrower since, and then its lines are wrapped.
func (l *Live) erase(columns int) string {
	if len(l.drawn) == 0 {
		return ""
	}
	up := -1
	for _, line := range l.drawn {
		up += max(1, (width(line)+columns-1)/max(columns, 1))
	}
	l.drawn = nil
	if up == 0 {
		return sequence("1G") + sequence("0J")
	}
	return sequence("1G") + sequence(itoa(up)+"A") + sequence("0J")
}

func (l *Live) flush(b *strings.Builder) {
	b.WriteString(l.history.String())
	l.history.Reset()
}

// Aside implements [Progress].
func (l *Live) Aside(ask func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
	ask()
}

// clear takes the block off the terminal.
func (l *Live) clear() {
	columns, _ := l.size()
	var b strings.Builder
	b.WriteString(l.erase(columns))
	l.flush(&b)
	_, _ = io.WriteString(l.w, b.String()) // as in draw
}

// Close implements [Progress].
func (l *Live) Close() {
	close(l.stop)
	<-l.done
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
}
