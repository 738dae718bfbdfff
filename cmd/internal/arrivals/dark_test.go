package arrivals

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bobine/queue"
)

// Two hundred films on a server that does not answer keep nobody else's film
// from being looked for.
func TestAServerThatIsAwayHoldsUpNobody(t *testing.T) {
	ledger, lies := startLedger(t), &objects{}
	lies.put("s3://in/arte/rush.mov", queue.Origin{Mark: "e1", Bytes: 7})
	o := options(ledger, startStore(t), book{"arte": nil}, lies, &clock{now: noon})
	var waited atomic.Int64
	found := make(chan struct{}, 1)
	o.Look = func(ctx context.Context, source string) (queue.Origin, error) {
		if strings.HasPrefix(source, "https:") {
			waited.Add(1)
			<-ctx.Done()
			return queue.Origin{}, ctx.Err()
		}
		found <- struct{}{}
		return lies.look(ctx, source)
	}
	d := New(o)
	d.lookTime = 20 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	var all []queue.Notice
	for i := range 200 {
		all = append(all, queue.Notice{Partner: "arte", Way: queue.ByHook, Source: fmt.Sprintf("https://films.example.com/%d.mov", i)})
	}
	all = append(all, queue.Notice{Partner: "arte", Way: queue.ByHook, Source: "s3://in/arte/rush.mov"})
	if _, err := d.Receive(ctx, all); err != nil {
		t.Fatal(err)
	}
	<-found
	if n := waited.Load(); n > looks {
		t.Errorf("%d looks at a server that is away came first", n)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
