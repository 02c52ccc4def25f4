package ui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// board is what a live view knows of a run.
type board struct {
	style   Style
	started time.Time
	title   string // of the run
	phase   string
	turn    int64 // that is under way, of turns
	turns   int64
	order   []string // hosts as they appeared
	ends    map[string]hostEnd
	running []activity
	inTurn  map[string]bool
}

// hostEnd is how a host's part of the run ended, so far.
type hostEnd int

const (
	notEnded hostEnd = iota
	endedWell
	endedBadly
)

func newBoard(s Style, now time.Time) *board {
	return &board{style: s, started: now, ends: map[string]hostEnd{}, inTurn: map[string]bool{}}
}

func (b *board) take(e event.Event) {
	b.running = track(b.running, e)
	if e.Host != "" {
		if _, seen := b.ends[e.Host]; !seen {
			b.order = append(b.order, e.Host)
			b.ends[e.Host] = notEnded
		}
	}
	switch e.Kind {
	case event.RunStarted:
		b.title, b.started = cleanLine(e.Message), e.Time
	case event.PhaseStarted:
		if e.Host == "" {
			b.phase = orWord(stepName(e.Step), cleanLine(e.Message))
		}
	case event.TurnStarted:
		b.inTurn[e.Host], b.ends[e.Host] = true, notEnded
		if e.Total > 0 {
			b.turn, b.turns = e.Done, e.Total
		}
	case event.TurnDone:
		b.inTurn[e.Host], b.ends[e.Host] = false, endedWell
	case event.TurnFailed, event.StepFailed:
		if e.Host != "" {
			b.inTurn[e.Host], b.ends[e.Host] = false, endedBadly
		}
	}
}

// spinner is one character wide in every font that has box drawing.
var spinner = [...]string{"|", "/", "-", `\`}

// foldedLines are the heading and the three lines that hosts are folded into.
const foldedLines = 4

// render is the block for a terminal of that size; it always fits.
func (b *board) render(now time.Time, columns, rows, frame int) []string {
	room := 1000
	if rows > 0 {
		room = max(1, rows-foldedLines-2)
	}
	active := b.active()
	shown := active
	if len(active) > room {
		shown = active[:room-1]
	}
	longest := 0
	for _, a := range shown {
		longest = max(longest, width(a.host))
	}
	lines := []string{b.heading(now, frame)}
	for _, a := range shown {
		lines = append(lines, b.row(a, now, min(longest, 30), columns, frame))
	}
	if hidden := active[len(shown):]; len(hidden) > 0 {
		lines = append(lines, "  "+b.style.Faint(foldedActive(hidden)))
	}
	lines = append(lines, b.folded()...)
	for i, l := range lines {
		lines[i] = truncate(l, columns)
	}
	return lines
}

// active are the steps under way; a phase of the whole run has its place in
// the heading. Hosts whose turn it is come first.
func (b *board) active() []activity {
	var out []activity
	for _, a := range b.running {
		if !a.isPhase() {
			out = append(out, a)
		}
	}
	slices.SortStableFunc(out, func(x, y activity) int { return boolOrder(b.inTurn[y.host]) - boolOrder(b.inTurn[x.host]) })
	return out
}

func boolOrder(v bool) int {
	if v {
		return 1
	}
	return 0
}

func (b *board) heading(now time.Time, frame int) string {
	parts := []string{}
	for _, p := range []string{b.title, b.phase} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if b.turns > 0 {
		parts = append(parts, fmt.Sprintf("turn %d of %d", min(b.turn, b.turns), b.turns))
	}
	if len(parts) == 0 {
		parts = append(parts, "starting")
	}
	parts = append(parts, span(now.Sub(b.started)))
	return b.style.Note(spinner[frame%len(spinner)]) + " " + b.style.Strong(strings.Join(parts, " · "))
}

func (b *board) row(a activity, now time.Time, nameWidth, columns, frame int) string {
	name := pad(truncate(a.host, nameWidth), nameWidth)
	if b.inTurn[a.host] {
		name = b.style.Warn(name)
	}
	age := span(now.Sub(a.since))
	head := "  " + name + "  " + pad(stepName(a.step), 12) + " "
	if a.last.Total >= leastBytes && (a.last.Done < a.last.Total || a.last.Message == "") {
		return head + b.upload(a, now, columns-width(head))
	}
	text := progressText(a.last)
	room := columns - width(head) - width(age) - 2
	return head + pad(truncate(text, room), room) + "  " + b.style.Faint(age)
}

// The widths of an upload's bar; where even the least does not fit there is none.
const (
	mostBar  = 24
	leastBar = 6
)

// uploadText is the width of "100 %  66 MB of 66 MB  eta 12 s" at its longest,
// so that the bar does not change its width as the numbers do.
const uploadText = 34

func (b *board) upload(a activity, now time.Time, room int) string {
	done, total := a.last.Done, a.last.Total
	text := fmt.Sprintf("%3d %%  %s of %s", 100*done/total, size(done), size(total))
	if eta := remaining(a, now); eta > 0 {
		text += "  eta " + span(eta.Round(time.Second))
	}
	bar := min(mostBar, room-2-uploadText)
	if bar < leastBar {
		return text
	}
	full := int(int64(bar) * min(done, total) / total)
	return b.style.Good(strings.Repeat("█", full)) + b.style.Faint(strings.Repeat("░", bar-full)) + "  " + text
}

// remaining guesses from the mean rate so far; 0 when there is too little to tell.
func remaining(a activity, now time.Time) time.Duration {
	age := now.Sub(a.since)
	if age < time.Second || a.last.Done <= 0 || a.last.Done >= a.last.Total {
		return 0
	}
	return time.Duration(float64(age) * float64(a.last.Total-a.last.Done) / float64(a.last.Done))
}

// foldedActive is what there is no room for, counted by step.
func foldedActive(hidden []activity) string {
	count := map[string]int{}
	var steps []string
	for _, a := range hidden {
		if count[a.step] == 0 {
			steps = append(steps, a.step)
		}
		count[a.step]++
	}
	for i, s := range steps {
		steps[i] = fmt.Sprintf("%s %d", stepName(s), count[s])
	}
	return fmt.Sprintf("… and %d more at work: %s", len(hidden), strings.Join(steps, ", "))
}

// folded are the hosts at which nothing happens right now, one line a state.
func (b *board) folded() []string {
	busy := map[string]bool{}
	for _, a := range b.running {
		busy[a.host] = true
	}
	var done, failed, waiting []string
	for _, h := range b.order {
		switch {
		case b.ends[h] == endedBadly:
			failed = append(failed, h)
		case busy[h]:
		case b.ends[h] == endedWell:
			done = append(done, h)
		default:
			waiting = append(waiting, h)
		}
	}
	var out []string
	for _, l := range []struct {
		mark, text string
		hosts      []string
	}{{b.style.Bad("x"), "failed", failed}, {b.style.Good("+"), "done", done}, {b.style.Faint("="), "waiting", waiting}} {
		if len(l.hosts) > 0 {
			slices.SortStableFunc(l.hosts, inventory.ByNumber)
			out = append(out, fmt.Sprintf("  %s %s %d: %s", l.mark, l.text, len(l.hosts), names(l.hosts)))
		}
	}
	return out
}

func itoa(n int) string { return strconv.Itoa(n) }
