package stack_test

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bobine/provisioner/ec2/stack"
)

// cloud is a double of CloudFormation with one stack. It speaks the query
// protocol, so that the real SDK is exercised.
type cloud struct {
	mu       sync.Mutex
	status   string // "": there is no stack
	body     string // the template, and below it the parameters
	next     string // for an update under way: body once it is done
	token    string
	steps    int // looks until what is under way is done
	fails    string
	events   []event
	outputs  map[string]string
	calls    []string
	throttle map[string]int // refused calls by action
	lose     map[string]int // answers lost by action, once carried out
	began    func()         // is called once something is under way; nil: nobody
}

type event struct {
	ID     string `xml:"EventId"`
	Token  string `xml:"ClientRequestToken"`
	Name   string `xml:"LogicalResourceId"`
	Status string `xml:"ResourceStatus"`
	Reason string `xml:"ResourceStatusReason"`
	At     string `xml:"Timestamp"`
}

func start(t *testing.T) *cloud {
	c := &cloud{throttle: map[string]int{}, lose: map[string]int{}, outputs: map[string]string{"LaunchTemplate": "bobine-cinema"}}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	for k, v := range map[string]string{
		"AWS_ENDPOINT_URL_CLOUDFORMATION": s.URL, "AWS_REGION": "eu-west-3", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_PROFILE": "", "AWS_SESSION_TOKEN": "", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(k, v)
	}
	return c
}

func open(t *testing.T, log func(string)) *stack.Stack {
	t.Helper()
	s, err := stack.New(t.Context(), stack.Options{
		Name: "bobine-cinema", Tags: map[string]string{"bobine:farm": "cinema"}, Pause: time.Millisecond, Backoff: time.Millisecond, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// count is how many calls of an action came.
func (c *cloud) count(action string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, a := range c.calls {
		if a == action {
			n++
		}
	}
	return n
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
		refuse(w, "MissingAuthenticationToken", "not signed")
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	action := r.PostForm.Get("Action")
	c.calls = append(c.calls, action)
	if c.throttle[action] > 0 {
		c.throttle[action]--
		refuse(w, "Throttling", "Rate exceeded")
		return
	}
	code, text, result := c.act(action, r.PostForm)
	switch {
	case c.lose[action] > 0:
		c.lose[action]--
		panic(http.ErrAbortHandler)
	case code != "":
		refuse(w, code, text)
	default:
		fmt.Fprintf(w, "<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult></%[1]sResponse>", action, result)
	}
}

func refuse(w http.ResponseWriter, code, text string) {
	w.WriteHeader(http.StatusBadRequest)
	fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>", code, text)
}

func (c *cloud) act(action string, f url.Values) (code, text, result string) {
	const id = "<StackId>arn:aws:cloudformation:eu-west-3:1:stack/bobine-cinema/1</StackId>"
	absent := c.status == ""
	switch action {
	case "DescribeStacks":
		c.step()
		if c.status == "" {
			return "ValidationError", "Stack with id bobine-cinema does not exist", ""
		}
		return "", "", "<Stacks>" + c.shown() + "</Stacks>"
	case "DescribeStackEvents":
		shown := slices.Clone(c.events)
		slices.Reverse(shown)
		out, err := xml.Marshal(struct {
			XMLName xml.Name `xml:"StackEvents"`
			All     []event  `xml:"member"`
		}{All: shown})
		if err != nil {
			panic(err)
		}
		return "", "", string(out)
	case "CreateStack":
		if !absent {
			return "AlreadyExistsException", "Stack [bobine-cinema] already exists", ""
		}
		c.begin("CREATE_IN_PROGRESS", f)
		return "", "", id
	case "UpdateStack":
		switch {
		case absent:
			return "ValidationError", "Stack [bobine-cinema] does not exist", ""
		case strings.HasSuffix(c.status, "_IN_PROGRESS"):
			return "ValidationError", "Stack:arn is in " + c.status + " state and can not be updated.", ""
		case c.status == "ROLLBACK_COMPLETE":
			return "ValidationError", "Stack:arn is in ROLLBACK_COMPLETE state and can not be updated.", ""
		case said(f) == c.body:
			return "ValidationError", "No updates are to be performed.", ""
		}
		c.begin("UPDATE_IN_PROGRESS", f)
		return "", "", id
	case "DeleteStack":
		c.status, c.steps = "DELETE_IN_PROGRESS", 2
		return "", "", ""
	}
	return "InvalidAction", action, ""
}

func said(f url.Values) string {
	out := f.Get("TemplateBody")
	for n := 1; f.Has(fmt.Sprintf("Parameters.member.%d.ParameterKey", n)); n++ {
		at := fmt.Sprintf("Parameters.member.%d.Parameter", n)
		out += "\n" + f.Get(at+"Key") + "=" + f.Get(at+"Value")
	}
	return out
}

func (c *cloud) begin(status string, f url.Values) {
	c.status, c.next, c.token, c.steps = status, said(f), f.Get("ClientRequestToken"), 3
	if c.began != nil {
		c.began()
	}
	if f.Get("Capabilities.member.1") != "CAPABILITY_IAM" || f.Get("Tags.member.1.Value") != "cinema" || c.token == "" {
		c.fails = "InsufficientCapabilities: " + f.Encode()
	}
}

// step brings what is under way forward.
func (c *cloud) step() {
	if !strings.HasSuffix(c.status, "_IN_PROGRESS") {
		return
	}
	if c.steps--; c.steps > 0 {
		return
	}
	note := func(name, status, reason string) {
		c.events = append(c.events, event{fmt.Sprint(len(c.events)), c.token, name, status, reason, "2026-11-28T09:00:00Z"})
	}
	switch was := strings.TrimSuffix(c.status, "_IN_PROGRESS"); {
	case was == "DELETE":
		c.status, c.body = "", ""
	case was == "ROLLBACK" || was == "UPDATE_ROLLBACK":
		c.status = was + "_COMPLETE"
	case c.fails != "":
		note("WorkerRole", was+"_FAILED", c.fails)
		note("Notices", was+"_FAILED", "Resource creation cancelled")
		c.status, c.steps = map[string]string{"CREATE": "ROLLBACK", "UPDATE": "UPDATE_ROLLBACK"}[was]+"_IN_PROGRESS", 2
	default:
		note("WorkerRole", was+"_COMPLETE", "")
		c.status, c.body = was+"_COMPLETE", c.next
	}
}

func (c *cloud) shown() string {
	type pair struct {
		Key   string `xml:"OutputKey"`
		Value string `xml:"OutputValue"`
	}
	type parameter struct {
		Key   string `xml:"ParameterKey"`
		Value string `xml:"ParameterValue"`
	}
	v := struct {
		XMLName    xml.Name    `xml:"member"`
		ID         string      `xml:"StackId"`
		Name       string      `xml:"StackName"`
		Created    string      `xml:"CreationTime"`
		Status     string      `xml:"StackStatus"`
		Outputs    []pair      `xml:"Outputs>member"`
		Parameters []parameter `xml:"Parameters>member"`
	}{ID: "arn:aws:cloudformation:eu-west-3:1:stack/bobine-cinema/1", Name: "bobine-cinema", Created: "2026-11-28T09:00:00Z", Status: c.status}
	for k, x := range c.outputs {
		v.Outputs = append(v.Outputs, pair{k, x})
	}
	for _, line := range strings.Split(c.body, "\n")[1:] {
		k, x, _ := strings.Cut(line, "=")
		v.Parameters = append(v.Parameters, parameter{k, x})
	}
	out, err := xml.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(out)
}
