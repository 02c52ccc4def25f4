package database

import (
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/standin/settings"
)

func TestConnectionStringsAreUnquotedLikeGrafanas(t *testing.T) {
	tests := []struct {
		in   settings.Database
		want string
	}{
		{settings.Database{Type: "postgres", Host: "db:6432", Name: "g", User: "u", Password: "p w", SSLMode: "disable"},
			"user=u host=db port=6432 dbname=g sslmode=disable sslcert='' sslkey='' sslrootcert='' password=p w"},
		{settings.Database{Type: "postgres", Host: "db", Name: "g", User: "u", SSLMode: "verify-full", CACert: "/ca"},
			"user=u host=db port=5432 dbname=g sslmode=verify-full sslcert='' sslkey='' sslrootcert=/ca"},
		{settings.Database{URL: "postgres://u:p%20w@db:1/g?sslmode=require"},
			"user=u host=db port=1 dbname=g sslmode='' sslcert='' sslkey='' sslrootcert='' password=p w sslmode=require"},
		{settings.Database{Type: "mysql", Host: "db:3306", Name: "g", User: "u", Password: "p@w"},
			"u:p@w@tcp(db:3306)/g?collation=utf8mb4_unicode_ci&allowNativePasswords=true&clientFoundRows=true"},
		{settings.Database{Type: "mysql", Host: "/run/mysqld/mysqld.sock", Name: "g", User: "u", Isolation: "READ-COMMITTED"},
			"u:@unix(/run/mysqld/mysqld.sock)/g?collation=utf8mb4_unicode_ci&allowNativePasswords=true&clientFoundRows=true&transaction_isolation=%27READ-COMMITTED%27"},
	}
	for _, tt := range tests {
		target, err := resolve(tt.in)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := target.dsn(); err != nil || got != tt.want {
			t.Errorf("%+v\n got %s, %v\nwant %s", tt.in, got, err, tt.want)
		}
	}
	for _, bad := range []string{"sqlite3", "oracle"} {
		if got, err := (target{Database: settings.Database{Type: bad}}).dsn(); err == nil {
			t.Errorf("%s gives %q, want an error", bad, got)
		}
	}
}

func TestSQLDialects(t *testing.T) {
	const query = "SELECT [key] FROM [user] WHERE a = ? AND b = ?"
	if got := (&DB{Type: Postgres}).SQL(query); got != `SELECT "key" FROM "user" WHERE a = $1 AND b = $2` {
		t.Errorf("postgres: %s", got)
	}
	if got := (&DB{Type: MySQL}).SQL(query); got != "SELECT `key` FROM `user` WHERE a = ? AND b = ?" {
		t.Errorf("mysql: %s", got)
	}
}
