package inventory

import "slices"

// Place is where the inventory has a key, as "database.password" or "grafana.config",
// or else the nearest section around it; the file alone when it has neither.
func (c *Cluster) Place(path ...string) Position {
	if c.place == nil {
		return Position{File: c.File}
	}
	return c.place(path)
}

// place is the position of the value at path, or of the nearest around it.
func (n *node) place(path []string) Position {
	for i := len(path); i > 0; i-- {
		if at := n.find(path[:i]...); at != nil {
			return at.pos
		}
	}
	return n.pos
}

// Diagnose makes mistakes that were found outside this package ones of the file: in its
// order, each with its line, literal secrets hidden; nil without any.
func (c *Cluster) Diagnose(ds Diagnostics) Diagnostics {
	if len(ds) == 0 {
		return nil
	}
	ds = slices.Clone(ds)
	if c.finish == nil {
		return ds
	}
	return c.finish(ds)
}
