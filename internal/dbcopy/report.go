package dbcopy

// Note is a change that converting made to values of one column.
type Note struct {
	Table  string `json:"table"`
	Column string `json:"column"`
	What   string `json:"what"`
	Rows   int64  `json:"rows"`
	// Keys are those of the first rows.
	Keys []string `json:"keys"`
}

// Broken is a row that the target does not take.
type Broken struct {
	Table string `json:"table"`
	Key   string `json:"key"`
	Cause string `json:"cause"`
}

// LeftOut is a table of the source that is not copied.
type LeftOut struct {
	Table string `json:"table"`
	// Rows it holds; -1: not counted, since it is left out on purpose.
	Rows int64  `json:"rows"`
	Why  string `json:"why"`
}

// TableResult is how a table came out.
type TableResult struct {
	Table  string `json:"table"`
	Rows   int64  `json:"rows"`
	Target int64  `json:"target_rows"`
	// Checksum and TargetChecksum are of all rows as the target keeps them, in any order.
	Checksum       string  `json:"checksum"`
	TargetChecksum string  `json:"target_checksum"`
	Equal          bool    `json:"equal"`
	Broken         int64   `json:"broken"`
	Seconds        float64 `json:"seconds"`
}

// Report is what a copy or a comparison found.
type Report struct {
	Source string        `json:"source"`
	Target string        `json:"target"`
	Tables []TableResult `json:"tables"`
	// LeftOut are tables of the source that were not copied.
	LeftOut []LeftOut `json:"left_out"`
	Notes   []Note    `json:"notes"`
	// Broken are the rows that the target does not take, the first MostBroken of each table.
	Broken []Broken `json:"broken"`
	// Rows were copied or compared; Refused were not taken.
	Rows    int64 `json:"rows"`
	Refused int64 `json:"refused"`
	// Equal: every table has the same rows on both sides, but for refused ones.
	Equal bool `json:"equal"`
	// Committed: the target keeps what was copied. Without it the target is as it was.
	Committed   bool    `json:"committed"`
	CopySeconds float64 `json:"copy_seconds"`
	Seconds     float64 `json:"seconds"`
}

// MostBroken bounds how many refused rows of a table are listed; all are counted.
const MostBroken = 200
