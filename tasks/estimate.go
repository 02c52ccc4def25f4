package tasks

import (
	"bufio"
	"encoding/json"
	"os"
	"slices"
)

// estimate is how long the plan's turns will take, from what turns took before, in
// seconds; 0 when there is no past to learn from.
func (r *Runner) estimate(p *Plan) float64 {
	path, err := localJournal(r.c.Name)
	if err != nil {
		return 0
	}
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	var turns []float64
	lines := bufio.NewScanner(f)
	lines.Buffer(make([]byte, 64<<10), 4<<20)
	for lines.Scan() {
		var e JournalEntry
		if json.Unmarshal(lines.Bytes(), &e) == nil && e.Step == "turn" && e.Result == "done" {
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
