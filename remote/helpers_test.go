package remote

import "os"

func writeFile(file string, data []byte) error { return os.WriteFile(file, data, 0o600) }
