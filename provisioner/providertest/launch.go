package providertest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"bobine/provisioner"
)

// offers are whole, and each pool is offered once.
func (s suite) offers(t *testing.T) {
	offers, err := s.open(t).Offers(t.Context())
	if err != nil || len(offers) == 0 {
		t.Fatalf("%v, %v: want some", offers, err)
	}
	seen := map[provisioner.Pool]bool{}
	for _, o := range offers {
		if _, err := provisioner.ParsePool(o.Pool.String()); err != nil || seen[o.Pool] {
			t.Errorf("%s: offered twice, or no pool: %v", o.Pool, err)
		}
		seen[o.Pool] = true
		if o.VCPUs <= 0 || o.Slots <= 0 || o.Speed <= 0 || o.Price < 0 || o.OnDemand < 0 || o.Interrupt < 0 {
			t.Errorf("%s: a number is missing or below 0: %+v", o.Pool, o)
		}
		if o.Boot <= 0 || o.BootP99 < o.Boot {
			t.Errorf("%s: boots in %v, almost surely in %v", o.Pool, o.Boot, o.BootP99)
		}
		if o.Market == provisioner.OnDemand && (o.Interrupt != 0 || o.Price != o.OnDemand) {
			t.Errorf("%s: on demand, and interrupted %g times an hour at %v, on demand %v", o.Pool, o.Interrupt, o.Price, o.OnDemand)
		}
	}
}

// A launch tells instances that bear what was asked for; List shows them so.
func (s suite) launch(t *testing.T) {
	p := s.open(t)
	r := request(t, p, "a", 3)
	made := must(t, p, r)
	shown := s.live(t, p, names(made)...)
	for _, i := range slices.Concat(made, shown) {
		switch {
		case i.ID == "" || i.Launch != r.ID || !slices.Contains(r.Pools, i.Pool):
			t.Errorf("%+v: it does not answer %+v", i, r)
		case i.Slots != 0 && i.Slots != r.Slots:
			t.Errorf("%s: %d slots, want %d", i.ID, i.Slots, r.Slots)
		case i.Phase != provisioner.Pending && i.Phase != provisioner.Running:
			t.Errorf("%s: it is %s", i.ID, i.Phase)
		case i.Launched.IsZero() || !i.Expires.Equal(r.Expires) || i.Epoch != r.Epoch:
			t.Errorf("%s: launched %v, expires %v, epoch %d; want %v and %d", i.ID, i.Launched, i.Expires, i.Epoch, r.Expires, r.Epoch)
		}
	}
}

// However often a launch is told, it launches once; a repeat tells the
// instances of the first call, or none.
func (s suite) replay(t *testing.T) {
	p := s.open(t)
	r := request(t, p, "a", 2)
	made := names(must(t, p, r))
	for range 2 {
		l, err := p.Launch(t.Context(), r)
		if again := names(l.Instances); err != nil || len(again) > 0 && !same(again, made) {
			t.Errorf("a repeat tells %v, %v; want %v or none", again, err, made)
		}
	}
	s.live(t, p, made...)
	if s.traits.Again == nil {
		return
	}
	q := s.traits.Again(t)
	l, err := q.Launch(t.Context(), r)
	if again := names(l.Instances); err != nil || len(again) > 0 && !same(again, made) {
		t.Errorf("a repeat by another provider tells %v, %v; want %v or none", again, err, made)
	}
	s.live(t, q, made...)
}

// A token that was used stays used when its instances are gone.
func (s suite) replayEnded(t *testing.T) {
	p := s.open(t)
	r := request(t, p, "a", 1)
	made := names(must(t, p, r))
	if err := p.Terminate(t.Context(), made...); err != nil {
		t.Fatal(err)
	}
	s.live(t, p)
	l, err := p.Launch(t.Context(), r)
	if again := names(l.Instances); err != nil || len(again) > 0 && !same(again, made) {
		t.Errorf("a repeat tells %v, %v; want %v or none", again, err, made)
	}
	s.live(t, p)
}

// The same token with anything else asked for is an error, and launches
// nothing.
func (s suite) mismatch(t *testing.T) {
	p := s.open(t)
	r := request(t, p, "a", 1)
	made := names(must(t, p, r))
	for what, change := range map[string]func(*provisioner.LaunchRequest){
		"count":   func(r *provisioner.LaunchRequest) { r.Count = 2 },
		"launch":  func(r *provisioner.LaunchRequest) { r.ID = "b" },
		"expires": func(r *provisioner.LaunchRequest) { r.Expires = r.Expires.Add(time.Hour) },
		"epoch":   func(r *provisioner.LaunchRequest) { r.Epoch++ },
		"life":    func(r *provisioner.LaunchRequest) { r.Life += time.Hour },
		"slots":   func(r *provisioner.LaunchRequest) { r.Slots++ },
	} {
		other := r
		change(&other)
		if l, err := p.Launch(t.Context(), other); !errors.Is(err, provisioner.ErrTokenUsed) || len(l.Instances) > 0 {
			t.Errorf("another %s under the same token: %+v, %v; want ErrTokenUsed", what, l, err)
		}
	}
	s.live(t, p, made...)
}

// Another token is another launch.
func (s suite) another(t *testing.T) {
	p := s.open(t)
	a, b := must(t, p, request(t, p, "a", 1)), must(t, p, request(t, p, "b", 2))
	for _, i := range s.live(t, p, append(names(a), names(b)...)...) {
		if want := map[bool]string{true: "a", false: "b"}[i.ID == a[0].ID]; !i.Phase.Gone() && i.Launch != want {
			t.Errorf("%s answers launch %q, want %s", i.ID, i.Launch, want)
		}
	}
}

// A part of what was asked for is success: the rest is told as failures of
// pools that were asked.
func (s suite) short(t *testing.T) {
	if s.traits.Short == nil {
		t.Skip("it never lacks capacity")
	}
	p, r, short := s.traits.Short(t)
	l, err := p.Launch(t.Context(), r)
	if err != nil || len(l.Instances) != r.Count-short || len(l.Instances) == 0 {
		t.Fatalf("%+v, %v: want %d instances of %d", l, err, r.Count-short, r.Count)
	}
	if len(l.Failures) == 0 {
		t.Error("nothing tells why there are fewer than asked for")
	}
	for _, f := range l.Failures {
		if f.Err == nil || !slices.Contains(r.Pools, f.Pool) {
			t.Errorf("the failure %+v has no error, or is of no pool of %v", f, r.Pools)
		}
	}
	made := names(l.Instances)
	s.live(t, p, made...)
	l, err = p.Launch(t.Context(), r)
	if again := names(l.Instances); err != nil || len(again) > 0 && !same(again, made) {
		t.Errorf("a repeat tells %v, %v; want %v or none", again, err, made)
	}
	s.live(t, p, made...)
}

// What is told to stop launches nothing, or says that it may have.
func (s suite) cancelled(t *testing.T) {
	p := s.open(t)
	r := request(t, p, "a", 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if l, err := p.Launch(ctx, r); !errors.Is(err, context.Canceled) || nothing(err) || len(l.Instances) > 0 {
		t.Errorf("%+v, %v: want context.Canceled, and no promise", l, err)
	}
	s.live(t, p)
	s.live(t, p, names(must(t, p, r))...)
}
