package live

import (
	"encoding/json"
	"testing"
)

func TestAPushedLineIsAFrame(t *testing.T) {
	for line, want := range map[string]string{
		`cpu,host=a,rack=b load=1.5,busy=2i 1700000000000000000`: `{"schema":{"name":"cpu","fields":[{"name":"labels","type":"string"},{"name":"time","type":"time"},{"name":"busy","type":"number"},{"name":"load","type":"number"}]},"data":{"values":[["host=a, rack=b"],[1700000000000],[2],[1.5]]}}`,
		`word word="a b,c" 1000000`:                              `{"schema":{"name":"word","fields":[{"name":"labels","type":"string"},{"name":"time","type":"time"},{"name":"word","type":"string"}]},"data":{"values":[[""],[1],["a b,c"]]}}`,
	} {
		_, f, err := parse(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if b, err := json.Marshal(f); err != nil || string(b) != want {
			t.Errorf("%s is %s (%v), want %s", line, b, err, want)
		}
	}
	for _, line := range []string{"cpu", "cpu load", "cpu load=x", "cpu load=1 then"} {
		if _, f, err := parse(line); err == nil {
			t.Errorf("%q is %+v, want an error", line, f)
		}
	}
}
