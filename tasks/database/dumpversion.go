package database

import (
	"context"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

// dumpWords is what pg_dump --version says: "pg_dump (PostgreSQL) 15.6 (Debian 15.6-0)".
var dumpWords = regexp.MustCompile(`\(PostgreSQL\) (\d{1,3})\b`)

// DumpMajor is the major version in what pg_dump --version says; 0 when it says none.
func DumpMajor(words string) int {
	m := dumpWords.FindStringSubmatch(words)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1]) // digits
	return n
}

// OperatorDumpMajor is [DumpMajor] of this machine's pg_dump; 0 when it does not say.
func OperatorDumpMajor(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "pg_dump", "--version")
	cmd.Env = cleanEnvironment()
	out, err := cmd.Output()
	if err != nil {
		return 0
	}
	return DumpMajor(string(out))
}
