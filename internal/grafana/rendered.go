package grafana

// Rendered is what [Node.Render] makes.
type Rendered struct {
	// INI is the text of grafana.ini. It holds secrets only where the version
	// has no $__file{}.
	INI []byte
	// Secrets are the files for SecretDir: name ("database.password") to content.
	Secrets map[string][]byte
	// Shown is INI with every secret masked by its fingerprint, for diffs.
	Shown []byte
	// Warnings are what the operator should know of the values.
	Warnings []string
}
