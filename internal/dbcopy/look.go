package dbcopy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Options are what a copy is told.
type Options struct {
	// Replace: what the target holds may go.
	Replace bool
	// WithoutRefused commits although the target did not take some rows.
	WithoutRefused bool
	// Progress, when not nil, is told how far a step has come, at most every few
	// thousand rows. step is "copy" or "compare".
	Progress func(step, table string, done, total int64)
}

func (o Options) progress(step, table string, done, total int64) {
	if o.Progress != nil {
		o.Progress(step, table, done, total)
	}
}

// Obstacle is a reason not to begin.
type Obstacle struct {
	What string `json:"what"`
	// Next is what to do, as a sentence or a command with INVENTORY in it.
	Next string `json:"next"`
}

// Plan is what Look found: what is copied, and what is in the way.
type Plan struct {
	Source    string     `json:"source"`
	Target    string     `json:"target"`
	Obstacles []Obstacle `json:"obstacles"`
	LeftOut   []LeftOut  `json:"left_out"`
	// Tables and Rows are what will be copied.
	Tables int   `json:"tables"`
	Rows   int64 `json:"rows"`
	// Replaces counts what people made in the target, by table.
	Replaces map[string]int64 `json:"replaces"`

	pairs []*pair
}

// pair is a table on both sides. Columns of the same index belong together.
type pair struct {
	source, target *Table
	from, to       []Column
	rows           int64
}

func (p *Plan) stop(next, format string, args ...any) {
	p.Obstacles = append(p.Obstacles, Obstacle{fmt.Sprintf(format, args...), next})
}

// checker is a source that can look itself over for damage.
type checker interface{ Check(context.Context) error }

// Look reads both sides and says what a copy would do. It writes nothing.
func Look(ctx context.Context, src Source, dst Target, o Options) (*Plan, error) {
	p := &Plan{Source: src.Name(), Target: dst.Name(), Replaces: map[string]int64{}}
	if c, ok := src.(checker); ok {
		if err := c.Check(ctx); err != nil {
			return nil, err
		}
	}
	theirs, err := src.Tables(ctx)
	if err != nil {
		return nil, err
	}
	ours, err := dst.Tables(ctx)
	if err != nil {
		return nil, err
	}
	if !p.schemas(theirs, ours) {
		return p, nil
	}
	if err := p.migrations(ctx, src, dst, theirs, ours); err != nil {
		return nil, err
	}
	if err := p.match(ctx, src, theirs, ours); err != nil {
		return nil, err
	}
	if err := p.content(ctx, dst, o); err != nil {
		return nil, err
	}
	return p, p.sameWithoutCase(ctx, src)
}

func find(tables []*Table, name string) *Table {
	if i := slices.IndexFunc(tables, func(t *Table) bool { return t.Name == name }); i >= 0 {
		return tables[i]
	}
	if i := slices.IndexFunc(tables, func(t *Table) bool { return strings.EqualFold(t.Name, name) }); i >= 0 {
		return tables[i]
	}
	return nil
}

// schemas tells whether both sides have one that a Grafana made.
func (p *Plan) schemas(theirs, ours []*Table) bool {
	if find(theirs, "migration_log") == nil {
		p.stop("name the database of a Grafana: its grafana.ini says where it is ([database] path, [paths] data)", "%s is not a Grafana database: it has no table migration_log", p.Source)
		return false
	}
	if find(ours, "migration_log") == nil {
		p.stop("ghadeploy apply INVENTORY, with grafana.version as on the source; then ghadeploy stop INVENTORY", "%s has no schema yet: Grafana itself makes it, at its first start", p.Target)
		return false
	}
	return true
}

// migrations compares what the migrators of both sides say that they have done.
func (p *Plan) migrations(ctx context.Context, src Source, dst Target, theirs, ours []*Table) error {
	logs := map[string]bool{}
	for _, t := range slices.Concat(theirs, ours) {
		if isMigrationLog(t.Name) {
			logs[t.Name] = true
		}
	}
	const next = "give both the same Grafana version: grafana.version in the inventory as on the source, or upgrade the source first"
	for _, name := range slices.Sorted(maps.Keys(logs)) {
		there, failed, err := migrationsOf(ctx, src, find(theirs, name))
		if err != nil {
			return err
		}
		here, failedHere, err := migrationsOf(ctx, dst, find(ours, name))
		if err != nil {
			return err
		}
		for side, list := range map[string][]string{p.Source: failed, p.Target: failedHere} {
			if len(list) > 0 {
				p.stop("start Grafana on it and see in its log what is in the way", "migrations failed on %s: %s", side, listed(list))
			}
		}
		if only := slices.DeleteFunc(missing(there, here), isRetired); len(only) > 0 {
			p.stop(next, "%s: %d migrations were done on the source and not on the target: %s", name, len(only), listed(only))
		}
		if only := missing(here, there); len(only) > 0 {
			p.stop(next, "%s: %d migrations were done on the target and not on the source: %s", name, len(only), listed(only))
		}
	}
	return nil
}

// missing are those of a that b has not, but for those that a server's kind decides.
func missing(a, b map[string]bool) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(a)), func(id string) bool { return b[id] || enterprise[id] })
}

// listed names the first of many.
func listed(list []string) string {
	const most = 12
	for i, s := range list {
		list[i] = fmt.Sprintf("%q", shown([]byte(s)))
	}
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return strings.Join(list[:most], ", ") + fmt.Sprintf(" and %d more", len(list)-most)
}

// mostMigrations are believed to be in a log; Grafana 13 has some hundreds.
const mostMigrations = 50_000

// migrationsOf are those that were done, and those that failed and were not done since.
func migrationsOf(ctx context.Context, db Source, t *Table) (done map[string]bool, failed []string, err error) {
	done = map[string]bool{}
	if t == nil {
		return done, nil, nil
	}
	id, success := t.Column("migration_id"), t.Column("success")
	if id == nil || success == nil {
		return done, nil, fmt.Errorf("table %s has no columns migration_id and success", t.Name)
	}
	bad := map[string]bool{}
	c := newConverter(t.Name, []Column{{Name: "migration_id", Class: TextClass}, {Name: "success", Class: BoolClass}})
	n := 0
	err = db.Rows(ctx, t, []Column{*id, *success}, 0, func(r Row) error {
		if n++; n > mostMigrations || len(r[0].Bytes) > 1000 {
			return fmt.Errorf("table %s has more rows, or longer ones, than any Grafana writes (%d)", t.Name, mostMigrations)
		}
		if err := c.row(r); err != nil {
			return fmt.Errorf("read %s: %w", t.Name, err)
		}
		id := string(r[0].Bytes)
		if r[1].Int != 0 {
			done[id] = true
		} else {
			bad[id] = true
		}
		return nil
	})
	for _, id := range slices.Sorted(maps.Keys(bad)) {
		if !done[id] {
			failed = append(failed, id)
		}
	}
	return done, failed, err
}

// match finds for every table and column of the source the target's.
func (p *Plan) match(ctx context.Context, src Source, theirs, ours []*Table) error {
	byTarget := map[*Table]*pair{}
	var tables []*Table
	for _, t := range theirs {
		if why := skip(t.Name); why != "" {
			p.LeftOut = append(p.LeftOut, LeftOut{t.Name, -1, why})
			continue
		}
		rows, err := src.Size(ctx, t)
		if err != nil {
			return err
		}
		to := find(ours, t.Name)
		switch {
		case to == nil:
			p.LeftOut = append(p.LeftOut, LeftOut{t.Name, rows, "the target has no such table: of a plugin, of Grafana Enterprise, or left from an older version"})
		case to.Unsafe != "":
			p.stop("ALTER TABLE "+to.Name+" ENGINE=InnoDB", "table %s of the target: %s, so a failed copy could not be taken back", to.Name, to.Unsafe)
		case byTarget[to] != nil:
			p.stop("rename or drop one of them", "tables %s and %s of the source would both become %s", byTarget[to].source.Name, t.Name, to.Name)
		default:
			pr := &pair{source: t, target: to, rows: rows}
			if err := p.columns(ctx, src, pr); err != nil {
				return err
			}
			byTarget[to] = pr
			tables = append(tables, to)
			p.Rows += rows
		}
	}
	for _, t := range inOrder(tables) {
		p.pairs = append(p.pairs, byTarget[t])
	}
	p.Tables = len(p.pairs)
	return nil
}

func (p *Plan) columns(ctx context.Context, src Source, pr *pair) error {
	for _, c := range pr.source.Columns {
		to := pr.target.Column(c.Name)
		if to != nil && !to.Computed {
			from := c
			pr.from, pr.to = append(pr.from, from), append(pr.to, *to)
			continue
		}
		if to != nil {
			continue // the server computes it from the others
		}
		var n int64
		if err := src.Rows(ctx, pr.source, []Column{c}, 0, func(r Row) error {
			if r[0].Kind != Null {
				n++
			}
			return nil
		}); err != nil {
			return err
		}
		p.LeftOut = append(p.LeftOut, LeftOut{pr.source.Name + "." + c.Name, n, "the target has no such column"})
	}
	if len(pr.to) == 0 {
		p.stop("compare the two tables", "table %s has no column in common on both sides", pr.source.Name)
	}
	return nil
}

// content counts what would be replaced.
func (p *Plan) content(ctx context.Context, dst Target, o Options) error {
	var list []string
	for _, pr := range p.pairs {
		most, counts := fresh[pr.target.Name]
		if !counts {
			continue
		}
		n, err := dst.Size(ctx, pr.target)
		if err != nil {
			return err
		}
		if n > most {
			p.Replaces[pr.target.Name] = n
			list = append(list, fmt.Sprintf("%s: %d", pr.target.Name, n))
		}
	}
	if len(list) > 0 && !o.Replace {
		p.stop("where it is not needed, add --replace to the command: all of it goes; else name an empty database in the inventory", "%s holds content already (%s)", p.Target, strings.Join(list, ", "))
	}
	return nil
}

// Err is what is in the way; nil: nothing is.
func (p *Plan) Err() error {
	if len(p.Obstacles) == 0 {
		return nil
	}
	return &ObstacleError{p.Obstacles}
}

// ObstacleError is a copy that was not begun. Nothing was changed.
type ObstacleError struct{ Obstacles []Obstacle }

// Error lists what is in the way.
func (e *ObstacleError) Error() string {
	list := make([]string, len(e.Obstacles))
	for i, o := range e.Obstacles {
		list[i] = o.What + "; next: " + o.Next
	}
	return strings.Join(list, "\n")
}

var errEnough = errors.New("enough was read")
