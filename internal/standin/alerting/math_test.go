package alerting

import "testing"

func TestMathExpressions(t *testing.T) {
	values := map[string]float64{"A": 3, "B_1": 0}
	for expr, want := range map[string]float64{
		"1 == 1": 1, "1 > 2": 0, "$A > 2": 1, "${A} * 2 + 1": 7, "!$B_1": 1, "-$A + 4": 1, "1 + 2 * 3": 7, "(1 + 2) * 3": 9,
		"$A >= 3 && $B_1 != 0": 0, "0 || $A": 1, "7 % 4": 3, "1.5 < 2": 1, "10 - 2 - 3": 5,
	} {
		got, err := calculate(expr, values)
		if err != nil || got != want {
			t.Errorf("%s = %v, %v, want %v", expr, got, err, want)
		}
	}
	for _, bad := range []string{"", "1 +", "$C > 1", "(1", "1 1", "abs(1)"} {
		if v, err := calculate(bad, values); err == nil {
			t.Errorf("%q = %v, want an error", bad, v)
		}
	}
}
