package partners_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"bobine/queue"
	"bobine/storage/state"
)

// BenchmarkTerms is what each turn of the farm pays for the terms of 1,000
// partners: read whole once a second, else from memory.
func BenchmarkTerms(b *testing.B) {
	f := newFarm(b)
	var c state.Change
	for i := range 1000 {
		p := arthouse()
		p.Name, p.Secrets = fmt.Sprintf("p%d", i), []queue.Secret{{Sealed: f.Key.Seal("", "whsec_")}, {Sealed: f.Key.Seal("", "whsec_")}}
		c.Partners = append(c.Partners, p)
	}
	if err := f.Ledger.Commit(b.Context(), c); err != nil {
		b.Fatal(err)
	}
	book := f.open(b)
	for name, step := range map[string]time.Duration{"read": time.Second, "held": 0} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f.now = f.now.Add(step)
				if all, err := book.ByName(context.Background()); err != nil || len(all) != 1001 {
					b.Fatal(len(all), err)
				}
			}
		})
	}
}
