package dbcopy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/guard"
)

// How much is read before it is written: so much is held twice.
const (
	batchBytes = 2 << 20
	batchRows  = 4096
)

// ErrRefused: the target did not take some rows, which the report lists; nothing was kept.
var ErrRefused = errors.New("the target does not take some rows: nothing was changed")

// ErrUnknown: the connection ended while the target was told to keep the copy.
var ErrUnknown = errors.New("whether the copy was kept is not known")

// ErrDifferent: what the target holds is not what the source holds.
var ErrDifferent = errors.New("the two databases differ")

// Copy does what a plan without obstacles says, in one transaction of the target, and
// compares every row before it commits. Whatever fails leaves the target as it was; the
// report says then how far it came.
func Copy(ctx context.Context, src Source, dst Target, p *Plan, o Options) (rep *Report, err error) {
	start := time.Now()
	rep = &Report{Source: p.Source, Target: p.Target, LeftOut: p.LeftOut, Equal: true}
	defer func() { rep.Seconds = time.Since(start).Seconds() }()
	if err := p.Err(); err != nil {
		return rep, err
	}
	tables := make([]*Table, len(p.pairs))
	for i, pr := range p.pairs {
		tables[i] = pr.target
	}
	if err := dst.Begin(ctx, tables); err != nil {
		return rep, fmt.Errorf("begin on %s: %w", p.Target, err)
	}
	defer func() {
		if !rep.Committed {
			// The context may be what ended: the way back is not bound by it.
			back, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
			defer cancel()
			// On a connection that is gone this fails, and the server rolls back by itself.
			_ = dst.Rollback(back)
		}
	}()
	sums, err := copyAll(ctx, src, dst, p, o, rep)
	rep.CopySeconds = time.Since(start).Seconds()
	if err != nil {
		return rep, err
	}
	if err := compareAll(ctx, dst, p, o, rep, sums); err != nil {
		return rep, err
	}
	switch {
	case !rep.Equal:
		return rep, ErrDifferent
	case rep.Refused > 0 && !o.WithoutRefused:
		return rep, ErrRefused
	}
	if err := dst.Commit(ctx); err != nil {
		return rep, fmt.Errorf("%w: commit on %s: %w", ErrUnknown, p.Target, err)
	}
	rep.Committed = true
	if err := dst.After(ctx); err != nil {
		return rep, fmt.Errorf("everything was copied, but finishing failed: %w; next: the same command again with --replace", err)
	}
	return rep, nil
}

func copyAll(ctx context.Context, src Source, dst Target, p *Plan, o Options, rep *Report) ([]Sum, error) {
	counters, err := src.Counters(ctx)
	if err != nil {
		return nil, err
	}
	tables := make([]*Table, len(p.pairs))
	for i, pr := range p.pairs {
		tables[i] = pr.target
	}
	if err := dst.Empty(ctx, tables); err != nil {
		return nil, err
	}
	sums := make([]Sum, len(p.pairs))
	var done int64
	for i, pr := range p.pairs {
		c := &tableCopy{src: src, dst: dst, pair: pr, taken: newHasher(), key: keyColumns(pr.to)}
		c.progress = func(n int64) { o.progress("copy", pr.target.Name, done+n, p.Rows) }
		began := time.Now()
		if err := c.run(ctx); err != nil {
			return nil, fmt.Errorf("copy table %s: %w", pr.target.Name, err)
		}
		done += pr.rows
		sums[i] = c.sum
		rep.Refused += c.refused
		rep.Broken = append(rep.Broken, c.broken...)
		rep.Rows += c.sum.Rows
		for _, n := range c.notes {
			rep.Notes = append(rep.Notes, *n)
		}
		rep.Tables = append(rep.Tables,
			TableResult{Table: pr.target.Name, Rows: c.sum.Rows, Checksum: c.sum.String(), Broken: c.refused, Seconds: time.Since(began).Seconds()})
		if err := c.count(ctx, counters[pr.source.Name]); err != nil {
			return nil, fmt.Errorf("number the rows of table %s: %w", pr.target.Name, err)
		}
	}
	return sums, nil
}

// tableCopy copies one table: one goroutine reads and converts, the other writes.
type tableCopy struct {
	src      Source
	dst      Target
	pair     *pair
	key      []int
	progress func(int64)

	sum     Sum // of what was written
	taken   *hasher
	notes   []*Note
	broken  []Broken
	refused int64
	highest int64
	written int64
}

// batch is rows on their way, with all that they hold.
type batch struct {
	rows   []Row
	values []Value
	bytes  []byte
	size   int
	// refused by converting.
	refused int64
	broken  []Broken
}

func (b *batch) reset() {
	*b = batch{rows: b.rows[:0], values: b.values[:0], bytes: b.bytes[:0]}
	if cap(b.bytes) > 2*batchBytes {
		b.bytes = nil // a row was very long
	}
}

func (b *batch) add(r Row) {
	from := len(b.values)
	for _, v := range r {
		if len(v.Bytes) > 0 {
			at := len(b.bytes)
			b.bytes = append(b.bytes, v.Bytes...)
			v.Bytes = b.bytes[at:len(b.bytes):len(b.bytes)]
		}
		b.size += len(v.Bytes) + 24
		b.values = append(b.values, v)
	}
	b.rows = append(b.rows, b.values[from:len(b.values):len(b.values)])
}

func (b *batch) full() bool { return b.size >= batchBytes || len(b.rows)+len(b.broken) >= batchRows }

func (c *tableCopy) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	l := belt{full: make(chan *batch, 1), free: make(chan *batch, 2)}
	l.free <- &batch{}
	l.free <- &batch{}
	h := newHasher()
	var readErr error
	var reader guard.Group
	reader.Go(func() {
		defer close(l.full)
		readErr = guard.Do(func() error { return c.read(ctx, h, l) })
	})
	var writeErr error
	for b := range l.full {
		if writeErr == nil {
			if writeErr = c.take(ctx, b); writeErr != nil {
				stop()
			}
		}
		b.reset()
		l.free <- b
	}
	reader.Wait()
	c.sum = Sum{Rows: h.sum.Rows - c.taken.sum.Rows, hi: h.sum.hi - c.taken.sum.hi, lo: h.sum.lo - c.taken.sum.lo}
	if writeErr != nil {
		return writeErr
	}
	return readErr
}

// belt carries batches from who reads to who writes, and back.
type belt struct {
	full chan *batch
	free chan *batch
}

// next hands b on (nil: nothing yet) and gives an empty one.
func (l belt) next(ctx context.Context, b *batch) (*batch, error) {
	if err := l.hand(ctx, b); err != nil {
		return nil, err
	}
	select {
	case b := <-l.free:
		return b, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l belt) hand(ctx context.Context, b *batch) error {
	if b == nil {
		return nil
	}
	select {
	case l.full <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// read fills batches.
func (c *tableCopy) read(ctx context.Context, h *hasher, l belt) error {
	conv := newConverter(c.pair.target.Name, c.pair.to)
	counts := slices.IndexFunc(c.pair.to, func(c Column) bool { return c.Counts })
	b, err := l.next(ctx, nil)
	if err != nil {
		return err
	}
	err = c.src.Rows(ctx, c.pair.source, c.pair.from, 0, func(r Row) error {
		if err := conv.row(r); err != nil {
			b.refused++
			b.broken = append(b.broken, Broken{c.pair.target.Name, keyOf(c.pair.to, conv.key, r), err.Error()})
		} else {
			h.add(r)
			b.add(r)
			if counts >= 0 && r[counts].Kind == Int {
				c.highest = max(c.highest, r[counts].Int)
			}
		}
		if b.full() {
			b, err = l.next(ctx, b)
			return err
		}
		return nil
	})
	c.notes = conv.notes
	if err != nil {
		return err
	}
	return l.hand(ctx, b)
}

// take writes a batch.
func (c *tableCopy) take(ctx context.Context, b *batch) error {
	c.refused += b.refused
	for _, r := range b.broken {
		c.tell(r)
	}
	if len(b.rows) > 0 {
		if err := c.write(ctx, b.rows); err != nil {
			return err
		}
	}
	c.written += int64(len(b.rows)) + b.refused
	c.progress(c.written)
	return nil
}

func (c *tableCopy) tell(r Broken) {
	if len(c.broken) < MostBroken {
		c.broken = append(c.broken, r)
	}
}

// write writes rows; those that the target refuses are found by halves.
func (c *tableCopy) write(ctx context.Context, rows []Row) error {
	err := c.dst.Write(ctx, c.pair.target, c.pair.to, rows)
	refused, ok := errors.AsType[*RefusedError](err)
	if !ok {
		return err
	}
	if len(rows) == 1 {
		c.refused++
		c.taken.add(rows[0])
		c.tell(Broken{c.pair.target.Name, keyOf(c.pair.to, c.key, rows[0]), refused.Error()})
		return nil
	}
	half := len(rows) / 2
	if err := c.write(ctx, rows[:half]); err != nil {
		return err
	}
	return c.write(ctx, rows[half:])
}

// count has the target go on after the highest number that was ever given out.
func (c *tableCopy) count(ctx context.Context, given int64) error {
	i := slices.IndexFunc(c.pair.target.Columns, func(c Column) bool { return c.Counts })
	if i < 0 {
		return nil
	}
	return c.dst.Count(ctx, c.pair.target, c.pair.target.Columns[i], max(c.highest, given, 0)+1, c.highest)
}
