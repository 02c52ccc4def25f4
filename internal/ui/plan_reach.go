package ui

import (
	"strings"

	"github.com/ghadeploy/ghadeploy/tasks"
	"github.com/ghadeploy/ghadeploy/tasks/reach"
)

// reach warns of changes whose effect goes beyond a restart, the refused ones loudest.
func (t PlanText) reach(b *strings.Builder, p *tasks.Plan) {
	for _, c := range p.Reach {
		mark := t.Style.Warn("! ")
		if c.Refused != "" {
			mark = t.Style.Bad("! ")
		}
		t.note(b, mark, Clean(c.String()))
	}
}

// beyondFailure says what is at stake, and how to go on.
func beyondFailure(e *tasks.ReachError) Failure {
	f := Failure{Kind: "refused", State: "nothing was touched"}
	var texts, next []string
	for _, c := range e.Changes {
		next = append(next, c.Next)
		c.Next = ""
		texts = append(texts, refusedText(c))
	}
	f.Message, f.Next = strings.Join(texts, "\n"), strings.Join(next, "; ")
	return f
}

func refusedText(c reach.Change) string {
	return "refused: " + string(c.Kind) + " changes on " + names(c.Hosts) + ": " + c.What + "; " + c.Notice + "; " + c.Refused
}
