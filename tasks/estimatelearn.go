package tasks

import (
	"regexp"
	"slices"
	"strconv"

	"github.com/ghadeploy/ghadeploy/tasks/journal"
)

// learned is of how many entries of a step the median is taken, the newest ones.
const learned = 20

// sizeInMB is what the summary of a release says of its upload.
var sizeInMB = regexp.MustCompile(`\(([0-9.]+) MB\)`)

// learn replaces figures by what the journal says that steps took on this cluster.
func learn(f figures, entries []journal.Entry) figures {
	took := map[string][]float64{}
	warm := map[string]bool{} // run and host: it ran before its turn
	for _, e := range entries {
		key := e.Run + "\x00" + e.Host
		if e.Result != "done" || e.Seconds <= 0 {
			continue
		}
		switch e.Step {
		case stepDrain:
			warm[key] = true
		case string(verbFlip):
			if !warm[key] {
				took["start"] = append(took["start"], e.Seconds)
				continue
			}
		case string(ActionRelease):
			if m := sizeInMB.FindStringSubmatch(e.Message); m != nil {
				if mb, err := strconv.ParseFloat(m[1], 64); err == nil && mb > 0 {
					took["perMB"] = append(took["perMB"], e.Seconds/mb)
				}
			}
		}
		took[e.Step] = append(took[e.Step], e.Seconds)
	}
	for step, to := range map[string]*float64{
		string(ActionBackup): &f.dump, string(ActionGeneration): &f.generation, stepDrain: &f.drain, string(verbFlip): &f.restart,
		"gate:" + gateMembers: &f.members, "gate:" + gateLive: &f.live, "perMB": &f.perMB,
	} {
		if all := took[step]; len(all) > 0 {
			*to = median(all)
		}
	}
	if all := took["start"]; len(all) > 0 {
		f.start = median(all) + f.balancerLooks(took[stepUndrain])
	}
	return f
}

// balancerLooks is how long the balancer takes to see a host that was down, which is the
// longest of the waits for it.
func (f figures) balancerLooks(undrains []float64) float64 {
	if len(undrains) == 0 {
		return 0
	}
	return slices.Max(undrains[max(len(undrains)-learned, 0):])
}

func median(all []float64) float64 {
	all = slices.Clone(all[max(len(all)-learned, 0):])
	slices.Sort(all)
	return all[len(all)/2]
}
