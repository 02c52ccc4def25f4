package ui

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/tasks"
)

// ErrNoTerminal is a question that nobody can answer.
var ErrNoTerminal = errors.New("cannot ask without a terminal; use --yes")

// Ask puts a yes/no question on s.Err; anything but y or yes is No. Without a
// terminal it is [ErrNoTerminal].
func Ask(ctx context.Context, s Streams, question string) (bool, error) {
	if !s.InTTY || !s.ErrTTY {
		return false, ErrNoTerminal
	}
	fmt.Fprintf(s.Err, "%s %s ", s.ErrStyle.Strong(question), "[y/N]")
	line, err := readLine(ctx, s.In)
	if err != nil {
		fmt.Fprintln(s.Err)
		return false, err
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return true, nil
	}
	return false, nil
}

// Question asks for a line of text; an empty answer is otherwise.
func Question(ctx context.Context, s Streams, question, otherwise string) (string, error) {
	if !s.InTTY || !s.ErrTTY {
		return "", ErrNoTerminal
	}
	if otherwise != "" {
		question += " [" + otherwise + "]"
	}
	fmt.Fprintf(s.Err, "%s: ", s.ErrStyle.Strong(question))
	line, err := readLine(ctx, s.In)
	if err != nil {
		return "", err
	}
	return orWord(strings.TrimSpace(line), otherwise), nil
}

// readLine reads one line, and no byte more: the next question reads on. A
// cancelled ctx ends the wait; the read itself ends with the process, since a
// terminal cannot be read with a deadline.
func readLine(ctx context.Context, r io.Reader) (string, error) {
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1)
	guard.Go(func() {
		line, err := bufio.NewReaderSize(oneByte{r}, 16).ReadString('\n')
		if errors.Is(err, io.EOF) && line == "" {
			err = fmt.Errorf("no answer: %w", io.ErrUnexpectedEOF)
		} else if errors.Is(err, io.EOF) {
			err = nil
		}
		got <- answer{line, err}
	})
	select {
	case a := <-got:
		return a.line, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// oneByte keeps a buffered reader from taking what belongs to the next question.
type oneByte struct{ io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.Reader.Read(p[:min(len(p), 1)]) }

// ConfirmQuestion names the cluster and what will stop.
func ConfirmQuestion(p *tasks.Plan) string {
	stops := "nothing is restarted"
	if r := restartsOf(p); r > 0 {
		stops = "Grafana restarts on " + names(restarted(p)) + order(p)
	}
	if p.Policy.Kind == tasks.PolicyOneFirst {
		stops = "OUTAGE: all hosts but one are stopped meanwhile"
	}
	if s := stopped(p); len(s) > 0 {
		stops = strings.TrimPrefix(stops+"; ", "nothing is restarted; ") + "Grafana stops on " + names(s)
	}
	var removed []string
	for _, h := range changing(p) {
		if slices.ContainsFunc(h.Actions, func(a tasks.Action) bool { return a.Kind == tasks.ActionRemove }) {
			removed = append(removed, h.Host)
		}
	}
	if len(removed) > 0 {
		stops += "; Grafana is REMOVED from " + names(removed)
	}
	return fmt.Sprintf("%s on %s? %s.", titled(orWord(p.Command, "apply")), p.Cluster, titled(stops))
}

func titled(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

func restarted(p *tasks.Plan) []string {
	var out []string
	for _, h := range changing(p) {
		if disruptsHost(h) && !staysStopped(h) {
			out = append(out, h.Host)
		}
	}
	return out
}
