package api

import (
	"context"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/plan"
)

// Fleet is what the handlers of the fleet ask. Any call may answer
// ErrUnavailable.
type Fleet interface {
	// Standing is how the fleet stands now.
	Standing(ctx context.Context) (Standing, error)
	// Machine tells one by its id, its instance, or a beginning that only it
	// has; gone ones too. The sign is nil where no worker was heard.
	// queue.ErrNotExist, also for a beginning that several have.
	Machine(ctx context.Context, id string) (provisioner.Machine, *provisioner.Sign, error)
	// Past are machines that are gone, the latest first.
	Past(ctx context.Context, n int) ([]provisioner.Machine, error)
	// Decisions are those of the controller that leads, the latest first.
	Decisions(ctx context.Context, n int) ([]provisioner.Decision, error)
	// Order lets fn change what operators want, and wakes the controller. fn
	// is called again when somebody else was faster; its error is answered as
	// it is.
	Order(ctx context.Context, fn func(*provisioner.Orders) error) error
	// Spending is what the days of from to to cost, both included, and who
	// used the machines.
	Spending(ctx context.Context, by By, from, to time.Time) (Spending, error)
}

// Standing is what is known of the fleet at one moment.
type Standing struct {
	At       time.Time                                   // of that moment
	Machines []provisioner.Machine                       // those that went lately among them
	Signs    map[provisioner.InstanceID]provisioner.Sign //
	Outlook  provisioner.Outlook                         // zero: there was no turn yet
	Orders   provisioner.Orders                          //
	Pools    map[provisioner.Pool]provisioner.Health     //
	Spent    map[string]provisioner.Money                // booked, by day
	Budget   plan.Budget                                 //
	Min, Max int                                         // machines, as configured
	Leader   string                                      // another controller that leads; "": this one does
	Copies   int                                         // places of second copies
}

// Verdict is whether the deadlines hold.
type Verdict string

// The verdicts.
const (
	Kept    Verdict = "kept"
	AtRisk  Verdict = "at-risk"
	Unknown Verdict = "unknown" // nobody looked for a while, or something could not be read
)

// FleetStatus is the object of /v1/fleet. Money is in US dollars, rates in
// dollars an hour, work in seconds of one slot of speed 1.
type FleetStatus struct {
	At      time.Time  `json:"at" doc:"Now, on the farm's clock"`
	Verdict Verdict    `json:"verdict" enum:"kept,at-risk,unknown" doc:"Whether every deadline holds; unknown: nobody looked for a minute, or something could not be read"`
	Seen    *time.Time `json:"seen" doc:"The controller's last turn, of which verdict, work and want are; null: there was none"`
	Stale   []string   `json:"stale" doc:"What could not be read then, in words"`

	Jobs    int        `json:"jobs" doc:"Not ended"`
	AtRisk  int        `json:"at_risk" doc:"Of those, whose deadline may be missed"`
	Slack   *float64   `json:"worst_slack_s" doc:"The least time left over of all work; negative is late, null: there is no work"`
	Backlog float64    `json:"backlog_slot_s" doc:"Work left, almost surely: seconds of one slot of speed 1"`
	Clear   *time.Time `json:"clear" doc:"When all work is done, as likely as not; null: unknown, or there is none"`

	Money    FleetMoney `json:"money"`
	Want     int        `json:"want" doc:"Machines, as the controller decided last"`
	Have     int        `json:"have" doc:"Machines that work or will"`
	Min      int        `json:"min" doc:"Machines, as configured"`
	Max      int        `json:"max" doc:"Machines, as configured"`
	Window   string     `json:"window" doc:"The one that holds; empty: none"`
	Changes  *time.Time `json:"changes" doc:"When another window will hold"`
	NextName string     `json:"next_window" doc:"Its name; empty: none"`

	Pause    *provisioner.Pause   `json:"pause" doc:"Only work at risk starts machines; null: it may grow"`
	Bounds   *provisioner.Bounds  `json:"bounds" doc:"An operator's instead of the configured; null: none"`
	Trouble  []provisioner.Reason `json:"trouble" doc:"What an operator should look at"`
	Pools    []FleetPool          `json:"pools" doc:"Those that are not asked now"`
	Leader   string               `json:"leader" doc:"The controller that leads, where this one does not"`
	Copies   int                  `json:"copies" doc:"Places of second copies; 0: they are off"`
	Groups   []FleetGroup         `json:"groups" doc:"Machines that are alike, summed; those that are gone are not"`
	Machines []FleetMachine       `json:"machines" doc:"All that are not gone"`
}

// FleetMoney is what the fleet costs. A budget of 0 is none.
type FleetMoney struct {
	Rate        float64 `json:"rate_usd_h" doc:"Of all that is paid now"`
	Reserved    float64 `json:"reserved_usd_h" doc:"The same at prices on demand: budget_usd_h bounds it"`
	BudgetHour  float64 `json:"budget_usd_h"`
	Today       float64 `json:"today_usd" doc:"Of this UTC day until now"`
	BudgetDay   float64 `json:"budget_day_usd"`
	Month       float64 `json:"month_usd" doc:"Of this UTC month until now"`
	BudgetMonth float64 `json:"budget_month_usd"`
}

// FleetGroup are machines alike in state and pool.
type FleetGroup struct {
	State    provisioner.State  `json:"state"`
	Type     string             `json:"type"`
	Zone     string             `json:"zone"`
	Market   provisioner.Market `json:"market"`
	Machines int                `json:"machines"`
	Rate     float64            `json:"rate_usd_h" doc:"Of all of them"`
	Slots    int                `json:"slots"`
	Busy     int                `json:"busy" doc:"Slots that encode"`
	Oldest   time.Time          `json:"oldest" doc:"When the first of them was asked for"`
}

// FleetPool is a pool that machines are not asked of for a while.
type FleetPool struct {
	Type   string             `json:"type"`
	Zone   string             `json:"zone"`
	Market provisioner.Market `json:"market"`
	Why    string             `json:"why" enum:"dry,risky,boots" doc:"dry: it had no capacity; risky: machines are being taken there; boots: they did not boot"`
	Until  time.Time          `json:"until"`
	Last   string             `json:"last" doc:"The provider's last complaint"`
}

// FleetMachine is one machine. Absent times have not come.
type FleetMachine struct {
	ID       string                 `json:"id"`
	Instance provisioner.InstanceID `json:"instance" doc:"As its provider calls it; empty: not named yet"`
	State    provisioner.State      `json:"state"`
	Since    time.Time              `json:"since" doc:"Of the state"`
	Type     string                 `json:"type"`
	Zone     string                 `json:"zone"`
	Market   provisioner.Market     `json:"market"`
	VCPUs    int                    `json:"vcpus"`
	Price    float64                `json:"price_usd_h"`
	Cost     float64                `json:"cost_usd" doc:"Until now, or its end"`
	Unpriced bool                   `json:"price_unknown,omitempty" doc:"Nobody knows what it costs: price and cost are told as 0"`

	Requested time.Time  `json:"requested"`
	Launched  *time.Time `json:"launched,omitempty" doc:"It is paid from here on"`
	Ready     *time.Time `json:"ready,omitempty" doc:"Its worker was first heard"`
	Ended     *time.Time `json:"ended,omitempty"`
	Expires   time.Time  `json:"expires" doc:"It is ended afterwards, whatever it does"`
	EndsAt    *time.Time `json:"ends_at,omitempty" doc:"Interrupted: when the provider takes it"`

	Heard *time.Time `json:"heard,omitempty" doc:"Its worker, last"`
	Slots int        `json:"slots"`
	Busy  int        `json:"busy" doc:"Slots that encode"`
	Idle  *time.Time `json:"idle,omitempty" doc:"Since when nothing runs there"`
	Rest  float64    `json:"rest_s" doc:"Until the longest of what it runs is done, as guessed"`
	Speed float64    `json:"speed" doc:"Of one slot, measured where it was"`
	Tasks []string   `json:"tasks" doc:"It runs"`

	Why     string             `json:"why" doc:"It was wanted for"`
	Cause   string             `json:"cause,omitempty" doc:"It drains, is ending or ended for"`
	Held    string             `json:"held,omitempty" doc:"An operator wants it drained or ended"`
	Odd     string             `json:"odd,omitempty" doc:"What is unusual about it"`
	Trail   []provisioner.Step `json:"trail" doc:"Its last steps, the oldest first"`
	Version string             `json:"version,omitempty" doc:"Of the program there"`
}

// Machines is a list of them.
type Machines struct {
	Machines []FleetMachine `json:"machines"`
}

// Decisions is a list of them, the latest first.
type Decisions struct {
	Decisions []provisioner.Decision `json:"decisions"`
}
