package inventory

// Config is what belongs in grafana.ini: sections in order, keys in order.
type Config []Section

// Section is one [section] of grafana.ini.
type Section struct {
	Name string
	Keys []Key
}

// Key is one setting and where it was written.
type Key struct {
	Name  string
	Value Value
	Pos   Position
}

// Value is a setting's text, which may hold a secret.
type Value struct {
	text   string
	secret bool
}

// PlainValue is text that anyone may see.
func PlainValue(text string) Value { return Value{text: text} }

// SecretValue is text that holds a secret.
func SecretValue(text string) Value { return Value{text: text, secret: true} }

// Reveal returns the text itself.
func (v Value) Reveal() string { return v.text }

// IsSecret tells whether the text holds a secret.
func (v Value) IsSecret() bool { return v.secret }

// String shows the text, or [Redacted] when it holds a secret.
func (v Value) String() string {
	if v.secret {
		return Redacted
	}
	return v.text
}

// Get returns the value of section.key; ok is false when it is not set.
func (c Config) Get(section, key string) (v Value, ok bool) {
	for _, s := range c {
		if s.Name != section {
			continue
		}
		for _, k := range s.Keys {
			if k.Name == key {
				return k.Value, true
			}
		}
	}
	return Value{}, false
}
