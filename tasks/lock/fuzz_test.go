package lock

import "testing"

func FuzzAnswerOfALock(f *testing.F) {
	for _, seed := range []string{"locked", "held {}", `held {"run":"r","user":"\u001b[2J"}`, "frozen", "", "held " + `{"since":"x"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, word string) {
		if word != "locked" && refused("h1", word, nil) == nil {
			t.Errorf("%q is no refusal", word)
		}
	})
}
