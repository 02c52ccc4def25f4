package tasks

import (
	"slices"

	"github.com/ghadeploy/ghadeploy/tasks/journal"
)

// estimate is how long the plan's turns will take, from what turns took before, in
// seconds; 0 when there is no past to learn from.
func (r *Runner) estimate(p *Plan) float64 {
	entries, err := journal.ReadLocal(r.c.Name)
	if err != nil {
		return 0
	}
	var turns []float64
	for _, e := range entries {
		if e.Step == "turn" && e.Result == "done" {
			turns = append(turns, e.Seconds)
		}
	}
	if len(turns) == 0 {
		return 0
	}
	turns = turns[max(len(turns)-20, 0):]
	slices.Sort(turns)
	return turns[len(turns)/2] * float64(len(p.Policy.Batches))
}
