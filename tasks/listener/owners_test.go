package listener

import "testing"

func TestAccountsOfServices(t *testing.T) {
	for o, want := range map[owner]bool{
		{uid: 0, name: "root"}: true, {uid: 107, name: "redis"}: true, {uid: 999, name: "x"}: true, {uid: 61200, name: "redis-x"}: true, {uid: 1001, name: "valkey"}: true,
		{uid: 1000, name: "mallory"}: false, {uid: 65534, name: "nobody"}: false, {uid: 100999, name: "100999"}: false, {uid: 4294967295, name: "-1"}: false,
	} {
		if o.service() != want {
			t.Errorf("%+v: %v", o, !want)
		}
	}
}

func FuzzOwners(f *testing.F) {
	for _, s := range []string{"listen 0 0100007F:18EB root\nend\n", "end", "listen -1 x y\nend\n", "listen 99999999999 0100007F:1 x\nend\n", "listen 1 00:1 x\nend", "listen 1000 " + "00000000000000000000000000000000:18EB a\nend\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := readOwners(text)
		for _, o := range all {
			if err == nil && !o.addr.IsValid() {
				t.Errorf("no address: %+v", o)
			}
		}
	})
}
