package journal

import "testing"

func FuzzJournal(f *testing.F) {
	f.Add([]byte(lines))
	f.Add([]byte(`{"run":"a","step":"run","result":"started","data":null}` + "\n" + `{"run":"a","step":"run","result":""}`))
	f.Add([]byte(`{"run":"a","time":"9999-12-31T23:59:59Z"}` + "\n[]\nnull\n{"))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries := Read(b)
		if len(entries) > mostEntries {
			t.Errorf("%d entries", len(entries))
		}
		for _, r := range Runs("c", entries) {
			if r.ID == "" || r.Outcome == "" && len(r.Entries) == 0 {
				t.Errorf("got %+v", r)
			}
		}
	})
}
