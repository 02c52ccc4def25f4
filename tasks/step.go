package tasks

import (
	"slices"
	"strings"
)

// StepKind names what a step of a turn does.
type StepKind string

// The kinds of steps, in the order in which a turn has them.
const (
	StepDrain    StepKind = "drain"     // out of the load balancer, until its requests are done
	StepStop     StepKind = "stop"      // stop, flip and start go to the host as one command,
	StepFlip     StepKind = "flip"      // which ends there by itself
	StepStart    StepKind = "start"     //
	StepGate     StepKind = "gate"      // a condition; Detail is its name
	StepMove     StepKind = "tell"      // the load balancer, where the host answers
	StepUndrain  StepKind = "undrain"   // back into the load balancer
	StepStay     StepKind = "stay"      // out of the load balancer
	StepTakeOver StepKind = "take-over" // in a handover: the load balancer is switched
)

// Step is one thing that is done in a host's turn. In plans and their JSON it is told as
// kind and detail in one line: "gate health", "drain (at most 10s)".
type Step struct {
	Kind   StepKind
	Detail string
}

// String is how the step is told.
func (s Step) String() string {
	if s.Detail == "" {
		return string(s.Kind)
	}
	return string(s.Kind) + " " + s.Detail
}

// MarshalText implements [encoding.TextMarshaler].
func (s Step) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler], for saved plans.
func (s *Step) UnmarshalText(b []byte) error {
	kind, detail, _ := strings.Cut(string(b), " ")
	s.Kind, s.Detail = StepKind(kind), detail
	return nil
}

// gateStep is the step that waits for a gate.
func gateStep(name string) Step { return Step{StepGate, name} }

// turn is the turn in a host's plan; nil when it takes none.
func (h *HostPlan) turn() *Action {
	for i := range h.Actions {
		if h.Actions[i].Kind == ActionTurn {
			return &h.Actions[i]
		}
	}
	return nil
}

// gateNames are the gates of a turn as the plan has them: its steps, or those of every
// turn where the host only passes its gates once more.
func (t turn) gateNames() (out []string) {
	if a := t.plan.turn(); a != nil {
		for _, s := range a.Steps {
			if s.Kind == StepGate {
				out = append(out, s.Detail)
			}
		}
	}
	if len(out) > 0 {
		return out
	}
	if out = slices.Clone(t.rollout.plan.Policy.Gates); len(out) == 0 {
		out = []string{gateService, gateHealth}
	}
	return append(out, gateStability)
}
