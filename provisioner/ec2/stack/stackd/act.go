package stackd

import (
	"encoding/xml"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

type event struct {
	ID     string `xml:"EventId"`
	Token  string `xml:"ClientRequestToken"`
	Name   string `xml:"LogicalResourceId"`
	Status string `xml:"ResourceStatus"`
	Reason string `xml:"ResourceStatusReason"`
	At     string `xml:"Timestamp"`
}

// made is when everything happens.
const made = "2026-11-28T09:00:00Z"

func (s *Server) id() string {
	return "arn:aws:cloudformation:eu-west-3:1:stack/" + s.stack.Name + "/1"
}

// act carries out one call, with the lock held.
func (s *Server) act(action string, f url.Values) (code, text, result string) {
	name := f.Get("StackName")
	there := s.stack.Status != "" && (name == s.stack.Name || name == s.id())
	switch action {
	case "DescribeStacks":
		if there {
			s.step()
		}
		if s.stack.Status == "" || !there {
			return "ValidationError", "Stack with id " + name + " does not exist", ""
		}
		return "", "", "<Stacks>" + s.shown() + "</Stacks>"
	case "DescribeStackEvents":
		return "", "", s.told()
	case "CreateStack":
		if there {
			return "AlreadyExistsException", "Stack [" + name + "] already exists", ""
		}
		s.stack = Stack{Name: name}
		return s.begin("CREATE_IN_PROGRESS", f)
	case "UpdateStack":
		switch {
		case !there:
			return "ValidationError", "Stack [" + name + "] does not exist", ""
		case strings.HasSuffix(s.stack.Status, "_IN_PROGRESS"), s.stack.Status == "ROLLBACK_COMPLETE":
			return "ValidationError", "Stack:arn is in " + s.stack.Status + " state and can not be updated.", ""
		}
		return s.begin("UPDATE_IN_PROGRESS", f)
	case "DeleteStack":
		s.stack.Status, s.steps = "DELETE_IN_PROGRESS", min(2, s.most)
		return "", "", ""
	}
	return "InvalidAction", action, ""
}

// pairs are the keys and values of a list of the call.
func pairs(f url.Values, list, key, value string) map[string]string {
	out := map[string]string{}
	for n := 1; f.Has(fmt.Sprintf("%s.member.%d.%s", list, n, key)); n++ {
		at := fmt.Sprintf("%s.member.%d.", list, n)
		out[f.Get(at+key)] = f.Get(at + value)
	}
	return out
}

// begin starts what is asked for, if CloudFormation would.
func (s *Server) begin(status string, f url.Values) (code, text, result string) {
	next := Stack{
		Name: s.stack.Name, Template: f.Get("TemplateBody"),
		Parameters: pairs(f, "Parameters", "ParameterKey", "ParameterValue"), Tags: pairs(f, "Tags", "Key", "Value"),
	}
	if len(next.Template) > 51200 {
		return "ValidationError", "Template body is longer than 51200 bytes", ""
	}
	if wrong := complete(&next); wrong != "" {
		return "ValidationError", wrong, ""
	}
	if f.Get("Capabilities.member.1") != "CAPABILITY_IAM" {
		return "InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_IAM]", ""
	}
	if next.Template == s.stack.Template && maps.Equal(next.Parameters, s.stack.Parameters) && maps.Equal(next.Tags, s.stack.Tags) {
		return "ValidationError", "No updates are to be performed.", ""
	}
	if status == "CREATE_IN_PROGRESS" {
		s.stack = next // it tells its parameters from the first
	}
	s.stack.Status, s.next, s.token, s.steps = status, next, f.Get("ClientRequestToken"), s.most
	if s.began != nil {
		s.began()
	}
	return "", "", "<StackId>" + s.id() + "</StackId>"
}

// complete adds the defaults of a template's parameters, and says what is
// wrong with those that were given.
func complete(x *Stack) string {
	var t struct {
		Parameters map[string]struct {
			Default any `yaml:"Default"`
		} `yaml:"Parameters"`
	}
	if err := yaml.Unmarshal([]byte(x.Template), &t); err != nil {
		return "Template format error: " + err.Error()
	}
	for _, name := range slices.Sorted(maps.Keys(x.Parameters)) {
		if _, known := t.Parameters[name]; !known {
			return "Parameters: [" + name + "] do not exist in the template"
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Parameters)) {
		if _, given := x.Parameters[name]; given {
			continue
		}
		if t.Parameters[name].Default == nil {
			return "Parameters: [" + name + "] must have values"
		}
		x.Parameters[name] = fmt.Sprint(t.Parameters[name].Default)
	}
	return ""
}

// step brings what is under way forward.
func (s *Server) step() {
	if !strings.HasSuffix(s.stack.Status, "_IN_PROGRESS") {
		return
	}
	if s.steps--; s.steps > 0 {
		return
	}
	note := func(name, status, reason string) {
		s.events = append(s.events, event{fmt.Sprint(len(s.events)), s.token, name, status, reason, made})
	}
	switch was := strings.TrimSuffix(s.stack.Status, "_IN_PROGRESS"); {
	case was == "DELETE":
		s.stack = Stack{Name: s.stack.Name}
	case was == "ROLLBACK" || was == "UPDATE_ROLLBACK":
		s.stack.Status = was + "_COMPLETE"
	case s.broken != "":
		note("WorkerRole", was+"_FAILED", s.broken)
		note("Notices", was+"_FAILED", "Resource creation cancelled")
		s.stack.Status, s.steps = map[string]string{"CREATE": "ROLLBACK", "UPDATE": "UPDATE_ROLLBACK"}[was]+"_IN_PROGRESS", min(2, s.most)
	default:
		note("WorkerRole", was+"_COMPLETE", "")
		s.stack = s.next
		s.stack.Status = was + "_COMPLETE"
	}
}

// told are the events, newest first.
func (s *Server) told() string {
	all := slices.Clone(s.events)
	slices.Reverse(all)
	return encode(struct {
		XMLName xml.Name `xml:"StackEvents"`
		All     []event  `xml:"member"`
	}{All: all})
}

func (s *Server) shown() string {
	type output struct {
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
		Outputs    []output    `xml:"Outputs>member"`
		Parameters []parameter `xml:"Parameters>member"`
	}{ID: s.id(), Name: s.stack.Name, Created: made, Status: s.stack.Status}
	for k, x := range s.outputs {
		v.Outputs = append(v.Outputs, output{k, x})
	}
	for k, x := range s.stack.Parameters {
		v.Parameters = append(v.Parameters, parameter{k, x})
	}
	return encode(v)
}

func encode(v any) string {
	out, err := xml.Marshal(v)
	if err != nil {
		panic(err) // they are strings alone
	}
	return string(out)
}
