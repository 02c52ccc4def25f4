package dbcopy

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// mostFolded bounds the rows of an index that are looked at beforehand, for memory;
// beyond it the server finds what is the same, and the copy is taken back.
const mostFolded = 1 << 20

// sameWithoutCase finds rows that a unique index of the target takes for the same
// although the source tells them apart: MySQL's usual collations know neither case nor
// accents.
func (p *Plan) sameWithoutCase(ctx context.Context, src Source) error {
	for _, pr := range p.pairs {
		for _, index := range pr.target.Unique {
			if err := p.foldedIndex(ctx, src, pr, index); err != nil {
				return err
			}
		}
	}
	return nil
}

// indexed are the columns of an index on both sides; ok: the index folds, and all of its
// columns are copied.
func (pr *pair) indexed(index []string) (from, to []Column, ok bool) {
	for _, name := range index {
		i := slices.IndexFunc(pr.to, func(c Column) bool { return c.Name == name })
		if i < 0 {
			return nil, nil, false
		}
		from, to = append(from, pr.from[i]), append(to, pr.to[i])
		ok = ok || pr.to[i].Folds
	}
	return from, to, ok
}

func (p *Plan) foldedIndex(ctx context.Context, src Source, pr *pair, index []string) error {
	from, to, folds := pr.indexed(index)
	if !folds || pr.rows < 2 {
		return nil
	}
	seen, twice := map[uint64]bool{}, map[uint64][]string{}
	read := func(each func(h uint64, r Row)) error {
		c, n := newConverter(pr.target.Name, to), 0
		err := src.Rows(ctx, pr.source, from, 0, func(r Row) error {
			if n++; n > mostFolded {
				return errEnough
			}
			if c.row(r) == nil && !slices.ContainsFunc(r, func(v Value) bool { return v.Kind == Null }) {
				each(foldedHash(r, to), r)
			}
			return nil
		})
		if errors.Is(err, errEnough) {
			return nil
		}
		return err
	}
	if err := read(func(h uint64, _ Row) {
		if seen[h] {
			twice[h] = nil
		}
		seen[h] = true
	}); err != nil || len(twice) == 0 {
		return err
	}
	all := make([]int, len(to))
	for i := range all {
		all[i] = i
	}
	if err := read(func(h uint64, r Row) {
		if list, ok := twice[h]; ok {
			twice[h] = append(list, keyOf(to, all, r))
		}
	}); err != nil {
		return err
	}
	var groups []string
	for _, list := range twice {
		groups = append(groups, strings.Join(list, " and "))
	}
	slices.Sort(groups)
	p.stop("rename one of each in the source, or copy into PostgreSQL",
		"table %s: %s tells no case (nor accents) apart in its index on %s, and takes these for the same: %s",
		pr.target.Name, p.Target, strings.Join(index, ", "), firstOf(groups))
	return nil
}

func firstOf(list []string) string {
	const most = 20
	if len(list) <= most {
		return strings.Join(list, "; ")
	}
	return strings.Join(list[:most], "; ") + fmt.Sprintf("; and %d more", len(list)-most)
}

func foldedHash(r Row, columns []Column) uint64 {
	var b []byte
	for i, v := range r {
		text := v.appendText(nil)
		if columns[i].Folds {
			text = []byte(folded(string(text)))
		}
		b = binary.BigEndian.AppendUint64(b, uint64(len(text)))
		b = append(b, text...)
	}
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:])
}

// folded is text as MySQL's utf8mb4_unicode_ci and utf8mb4_general_ci compare it, as far
// as people write it: without case, accents and spaces at the end.
func folded(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(unicode.ToUpper(r))
	}, norm.NFD.String(s))
	return strings.TrimRight(s, " ")
}
