package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"bobine/provisioner"
)

// Wish is an operator's, with who and why. For is a duration such as 2h;
// empty: until it is taken back.
type Wish struct {
	By   string `json:"by,omitempty" maxLength:"100" doc:"Who wants it; absent: an operator"`
	Note string `json:"note,omitempty" maxLength:"300" doc:"Why"`
	For  string `json:"for,omitempty" maxLength:"20" doc:"It ends by itself after so long; absent: it stays until it is taken back" example:"2h"`
}

// BoundsWish asks for other numbers of machines. nil: as it was.
type BoundsWish struct {
	By  string `json:"by,omitempty" maxLength:"100" doc:"Who wants it; absent: an operator"`
	Min *int   `json:"min,omitempty" minimum:"0" maximum:"100000" doc:"Machines; absent: as it was"`
	Max *int   `json:"max,omitempty" minimum:"0" maximum:"100000" doc:"Machines; absent: as it was"`
	For string `json:"for,omitempty" maxLength:"20" doc:"It ends by itself after so long; absent: it stays until it is taken back" example:"2h"`
}

type (
	wishIn   struct{ Body Wish }
	boundsIn struct{ Body BoundsWish }
	byIn     struct {
		ID   string `path:"id" maxLength:"200" doc:"Its id, its instance, or a beginning that only it has"`
		Body struct {
			By   string `json:"by,omitempty" maxLength:"100" doc:"Who wants it; absent: an operator"`
			Note string `json:"note,omitempty" maxLength:"300" doc:"Why"`
		}
	}
	machineIn struct {
		ID string `path:"id" maxLength:"200" doc:"Its id, its instance, or a beginning that only it has"`
	}
	lastIn struct {
		Last int `query:"last" minimum:"1" maximum:"2000" default:"10" doc:"So many at most"`
	}
	statusOut    struct{ Body FleetStatus }
	machineOut   struct{ Body FleetMachine }
	machinesOut  struct{ Body Machines }
	decisionsOut struct{ Body Decisions }
)

func (s *service) registerFleet(a huma.API) {
	const path = "/v1/fleet"
	huma.Register(a, operation(http.MethodGet, path, "fleet", "Whether the promise holds, what it costs, and every machine", http.StatusOK), s.fleetStatus)
	huma.Register(a, operation(http.MethodGet, path+"/decisions", "decisions", "What the controller decided last, and why", http.StatusOK), s.decisions)
	huma.Register(a, operation(http.MethodGet, path+"/gone", "gone", "Machines that are gone, the latest first", http.StatusOK), s.gone)
	huma.Register(a, operation(http.MethodGet, path+"/machines/{id}", "machine", "One machine, gone or not", http.StatusOK), s.machine)
	huma.Register(a, operation(http.MethodPost, path+"/machines/{id}/drain", "drain", "Have a machine end after what it runs", http.StatusAccepted),
		func(ctx context.Context, in *byIn) (*machineOut, error) { return s.release(ctx, in, false) })
	huma.Register(a, operation(http.MethodPost, path+"/machines/{id}/terminate", "terminate", "Have a machine end at once; what it runs is done again elsewhere", http.StatusAccepted),
		func(ctx context.Context, in *byIn) (*machineOut, error) { return s.release(ctx, in, true) })
	huma.Register(a, operation(http.MethodPost, path+"/pause", "pause-fleet", "Launch nothing but for work at risk", http.StatusOK), s.pauseFleet)
	huma.Register(a, operation(http.MethodPost, path+"/resume", "resume-fleet", "Let the fleet grow again", http.StatusOK),
		func(ctx context.Context, _ *struct{}) (*statusOut, error) {
			return s.ordered(ctx, func(o *provisioner.Orders) error { o.Pause = nil; return nil })
		})
	huma.Register(a, operation(http.MethodPut, path+"/bounds", "bound-fleet", "Other numbers of machines than configured", http.StatusOK), s.boundFleet)
	huma.Register(a, operation(http.MethodDelete, path+"/bounds", "unbound-fleet", "The configured numbers of machines again", http.StatusOK),
		func(ctx context.Context, _ *struct{}) (*statusOut, error) {
			return s.ordered(ctx, func(o *provisioner.Orders) error { o.Bounds = nil; return nil })
		})
	huma.Register(a, operation(http.MethodGet, "/v1/cost", "cost", "What machines cost, by day, partner or job", http.StatusOK), s.cost)
}

func (s *service) fleetStatus(ctx context.Context, _ *struct{}) (*statusOut, error) {
	standing, err := s.o.Fleet.Standing(ctx)
	if err != nil {
		return nil, s.answer(err)
	}
	return &statusOut{fleetStatus(standing)}, nil
}

func (s *service) decisions(ctx context.Context, in *lastIn) (*decisionsOut, error) {
	all, err := s.o.Fleet.Decisions(ctx, in.Last)
	if err != nil {
		return nil, s.answer(err)
	}
	return &decisionsOut{Decisions{list(all)}}, nil
}

func (s *service) gone(ctx context.Context, in *lastIn) (*machinesOut, error) {
	past, err := s.o.Fleet.Past(ctx, in.Last)
	if err != nil {
		return nil, s.answer(err)
	}
	out := &machinesOut{Machines{[]FleetMachine{}}}
	for _, m := range past {
		out.Body.Machines = append(out.Body.Machines, machineView(m, nil, provisioner.Orders{}, time.Now()))
	}
	return out, nil
}

func (s *service) machine(ctx context.Context, in *machineIn) (*machineOut, error) {
	m, sign, err := s.o.Fleet.Machine(ctx, in.ID)
	if err != nil {
		return nil, s.answer(err)
	}
	return &machineOut{machineView(m, sign, provisioner.Orders{}, time.Now())}, nil
}

// release orders a machine gone. Ordered twice is ordered; to end it at once
// is not taken back by draining it.
func (s *service) release(ctx context.Context, in *byIn, now bool) (*machineOut, error) {
	m, sign, err := s.o.Fleet.Machine(ctx, in.ID)
	if err != nil {
		return nil, s.answer(err)
	}
	if m.State == provisioner.Gone || m.State == provisioner.Terminating {
		return nil, s.answer(&ConflictError{Code: "machine-" + string(m.State), Message: fmt.Sprintf("machine %s is %s", m.ID, m.State), Hint: "see: bobine fleet show " + m.ID})
	}
	var after provisioner.Orders
	err = s.o.Fleet.Order(ctx, func(o *provisioner.Orders) error {
		if o.Machines == nil {
			o.Machines = map[string]*provisioner.MachineOrder{}
		}
		if before := o.Machines[m.ID]; before == nil || now && !before.Now {
			o.Machines[m.ID] = &provisioner.MachineOrder{Now: now, By: by(in.Body.By), Note: in.Body.Note, At: time.Now().UTC()}
		}
		after = *o
		return nil
	})
	if err != nil {
		return nil, s.answer(err)
	}
	return &machineOut{machineView(m, sign, after, time.Now())}, nil
}

func (s *service) pauseFleet(ctx context.Context, in *wishIn) (*statusOut, error) {
	now := time.Now().UTC()
	until, err := after(in.Body.For, now)
	if err != nil {
		return nil, err
	}
	return s.ordered(ctx, func(o *provisioner.Orders) error {
		o.Pause = &provisioner.Pause{Since: now, Until: until, By: by(in.Body.By), Note: in.Body.Note}
		return nil
	})
}

func (s *service) boundFleet(ctx context.Context, in *boundsIn) (*statusOut, error) {
	b, now := in.Body, time.Now().UTC()
	until, err := after(b.For, now)
	if err != nil {
		return nil, err
	}
	if b.Min == nil && b.Max == nil {
		return nil, invalid("min", nil, "name min, max or both")
	}
	if b.Min != nil && b.Max != nil && *b.Min > *b.Max {
		return nil, invalid("min", *b.Min, fmt.Sprintf("is more than max, %d", *b.Max))
	}
	return s.ordered(ctx, func(o *provisioner.Orders) error {
		o.Bounds = &provisioner.Bounds{Min: b.Min, Max: b.Max, Since: now, Until: until, By: by(b.By)}
		return nil
	})
}

// ordered changes the orders and answers how the fleet stands with them.
func (s *service) ordered(ctx context.Context, fn func(*provisioner.Orders) error) (*statusOut, error) {
	if err := s.o.Fleet.Order(ctx, fn); err != nil {
		return nil, s.answer(err)
	}
	return s.fleetStatus(ctx, nil)
}

func by(name string) string {
	if name == "" {
		return "an operator"
	}
	return name
}

// maxWish is how long an order may hold that ends by itself.
const maxWish = 400 * 24 * time.Hour

// after is when a wish ends by itself; zero: never.
func after(lasts string, now time.Time) (time.Time, error) {
	if lasts == "" {
		return time.Time{}, nil
	}
	d, err := time.ParseDuration(lasts)
	if err != nil || d <= 0 || d > maxWish {
		return time.Time{}, invalid("for", lasts, "want a duration such as 90m or 2h")
	}
	return now.Add(d), nil
}

func invalid(field string, value any, message string) error {
	return huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Location: "body." + field, Message: message, Value: value})
}

// Fleet tells how the fleet stands.
func (c *Client) Fleet(ctx context.Context) (FleetStatus, error) {
	return ask[FleetStatus](ctx, c, http.MethodGet, "/v1/fleet", nil)
}

// Decisions tells what the controller decided last, the latest first.
func (c *Client) Decisions(ctx context.Context, last int) (Decisions, error) {
	return ask[Decisions](ctx, c, http.MethodGet, "/v1/fleet/decisions?last="+strconv.Itoa(last), nil)
}

// Gone lists machines that are gone, the latest first.
func (c *Client) Gone(ctx context.Context, last int) (Machines, error) {
	return ask[Machines](ctx, c, http.MethodGet, "/v1/fleet/gone?last="+strconv.Itoa(last), nil)
}

// Machine tells one machine, by a beginning of its id or instance.
func (c *Client) Machine(ctx context.Context, id string) (FleetMachine, error) {
	return ask[FleetMachine](ctx, c, http.MethodGet, "/v1/fleet/machines/"+url.PathEscape(id), nil)
}

// Release has a machine drained, or with now terminated.
func (c *Client) Release(ctx context.Context, id string, now bool, w Wish) (FleetMachine, error) {
	verb := "drain"
	if now {
		verb = "terminate"
	}
	return ask[FleetMachine](ctx, c, http.MethodPost, "/v1/fleet/machines/"+url.PathEscape(id)+"/"+verb, w)
}

// PauseFleet keeps the fleet from growing but for work at risk.
func (c *Client) PauseFleet(ctx context.Context, w Wish) (FleetStatus, error) {
	return ask[FleetStatus](ctx, c, http.MethodPost, "/v1/fleet/pause", w)
}

// ResumeFleet undoes PauseFleet.
func (c *Client) ResumeFleet(ctx context.Context) (FleetStatus, error) {
	return ask[FleetStatus](ctx, c, http.MethodPost, "/v1/fleet/resume", nil)
}

// BoundFleet asks for other numbers of machines than configured.
func (c *Client) BoundFleet(ctx context.Context, b BoundsWish) (FleetStatus, error) {
	return ask[FleetStatus](ctx, c, http.MethodPut, "/v1/fleet/bounds", b)
}

// UnboundFleet undoes BoundFleet.
func (c *Client) UnboundFleet(ctx context.Context) (FleetStatus, error) {
	return ask[FleetStatus](ctx, c, http.MethodDelete, "/v1/fleet/bounds", nil)
}
