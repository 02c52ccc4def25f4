package dbcopy

import (
	"context"
	"fmt"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/guard"
)

// every is how many rows pass between two words of progress.
const every = 4096

// sumOf reads one side of a table as the target keeps it. Rows that it cannot keep are
// counted apart.
func sumOf(ctx context.Context, db Source, t *Table, columns, to []Column, progress func(int64)) (sum Sum, refused int64, notes []*Note,
	err error) {
	conv, h := newConverter(t.Name, to), newHasher()
	var n int64
	err = db.Rows(ctx, t, columns, 0, func(r Row) error {
		if n++; n%every == 0 {
			progress(n)
		}
		if conv.row(r) != nil {
			refused++
			return nil
		}
		h.add(r)
		return nil
	})
	return h.sum, refused, conv.notes, err
}

// compareAll reads everything back from the target and compares it with what was sent.
func compareAll(ctx context.Context, dst Target, p *Plan, o Options, rep *Report, sent []Sum) error {
	var done int64
	for i, pr := range p.pairs {
		sum, _, _, err := sumOf(ctx, dst, pr.target, pr.to, pr.to, func(n int64) { o.progress("compare", pr.target.Name, done+n, p.Rows) })
		if err != nil {
			return fmt.Errorf("read table %s back: %w", pr.target.Name, err)
		}
		done += sum.Rows
		rep.judge(i, sum, sent[i])
		o.progress("compare", pr.target.Name, done, p.Rows)
	}
	return nil
}

func (rep *Report) judge(i int, target, source Sum) {
	r := &rep.Tables[i]
	r.Target, r.TargetChecksum, r.Equal = target.Rows, target.String(), target == source
	rep.Equal = rep.Equal && r.Equal
}

// Compare reads both sides and changes nothing. A table that holds more on one side, or
// something else, is not equal, and the error is ErrDifferent then.
func Compare(ctx context.Context, src Source, dst Target, p *Plan, o Options) (*Report, error) {
	start := time.Now()
	rep := &Report{Source: p.Source, Target: p.Target, LeftOut: p.LeftOut, Equal: true}
	var done int64
	for i, pr := range p.pairs {
		began := time.Now()
		var theirs, ours Sum
		var refused int64
		var notes []*Note
		var err, ourErr error
		var other guard.Group
		other.Go(func() {
			ourErr = guard.Do(func() (err error) {
				ours, _, _, err = sumOf(ctx, dst, pr.target, pr.to, pr.to, func(int64) {})
				return err
			})
		})
		theirs, refused, notes,
			err = sumOf(ctx, src, pr.source, pr.from, pr.to, func(n int64) { o.progress("compare", pr.target.Name, done+n, p.Rows) })
		other.Wait()
		if err == nil {
			err = ourErr
		}
		if err != nil {
			return rep, fmt.Errorf("compare table %s: %w", pr.target.Name, err)
		}
		done += pr.rows
		rep.Rows += theirs.Rows
		rep.Refused += refused
		for _, n := range notes {
			rep.Notes = append(rep.Notes, *n)
		}
		rep.Tables = append(rep.Tables,
			TableResult{Table: pr.target.Name, Rows: theirs.Rows, Checksum: theirs.String(), Broken: refused, Seconds: time.Since(began).Seconds()})
		rep.judge(i, ours, theirs)
		o.progress("compare", pr.target.Name, done, p.Rows)
	}
	rep.Seconds = time.Since(start).Seconds()
	if !rep.Equal || rep.Refused > 0 {
		return rep, ErrDifferent
	}
	return rep, nil
}
