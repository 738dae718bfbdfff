package estimate_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"bobine/queue/estimate"
)

// What probes tell is believed the more, the more of them there are, for what
// arrived with them, of their partner alone.
func TestTold(t *testing.T) {
	var b estimate.Told
	hint := func(partner string, arrived time.Time) (float64, float64) {
		t.Helper()
		factor, trust := b.Hint(partner, arrived)
		if factor <= 0 || trust < 0 || trust > 1 {
			t.Fatalf("factor %g, trust %g", factor, trust)
		}
		return factor, trust
	}
	if factor, trust := hint("a", noon); factor != 1 || trust != 0 {
		t.Errorf("nothing told: %g, trust %g", factor, trust)
	}
	before := 0.0
	for i := range 100 {
		b.Add("a", fmt.Sprint("j", i), noon.Add(time.Duration(i)*time.Second), 100, 300)
		factor, trust := hint("a", noon)
		if math.Abs(factor-3) > 1e-9 || trust < before || i == 0 && trust > 0.25 {
			t.Fatalf("after %d probes: %g, trust %g after %g", i+1, factor, trust, before)
		}
		before = trust
	}
	if before < 0.3 {
		t.Errorf("a hundred probes are trusted by %g", before)
	}
	if factor, trust := hint("b", noon); factor != 1 || trust != 0 {
		t.Errorf("of another partner: %g, trust %g", factor, trust)
	}
	if factor, trust := hint("a", noon.Add(time.Hour)); factor != 1 || trust != 0 {
		t.Errorf("of a later drop: %g, trust %g", factor, trust)
	}
}

// A change that was tried twice is told once, and what nobody guessed is not.
func TestToldOnce(t *testing.T) {
	var b estimate.Told
	b.Add("a", "j1", noon, 100, 100)
	_, once := b.Hint("a", noon)
	b.Add("a", "j1", noon, 100, 200)
	b.Add("a", "j2", noon, 0, 200)
	if factor, twice := b.Hint("a", noon); factor != 2 || twice != once {
		t.Errorf("factor %g, trust %g, told once %g", factor, twice, once)
	}
}
