package ec2d

import (
	"fmt"
	"net/url"
	"strconv"
)

type template struct {
	id, name string
	standard int          // the number of the default version
	versions []url.Values // version 1 first: the whole call that made it
}

// good is a template that the farm can rely on.
func good(image string) url.Values {
	out := url.Values{}
	for k, v := range map[string]string{
		"ImageId": image, "InstanceInitiatedShutdownBehavior": "terminate", "UserData": "IyEvYmluL3NoCg==", "IamInstanceProfile.Name": "worker",
		"MetadataOptions.HttpTokens": "required", "MetadataOptions.HttpPutResponseHopLimit": "1", "MetadataOptions.InstanceMetadataTags": "enabled",
		"BlockDeviceMapping.1.DeviceName": "/dev/xvda", "BlockDeviceMapping.1.Ebs.Encrypted": "true",
	} {
		out.Set("LaunchTemplateData."+k, v)
	}
	return out
}

// named finds a template by its id or its name.
func (s *Server) named(id, name string) (*template, error) {
	for _, t := range s.templates {
		if t.id == id || id == "" && t.name == name {
			return t, nil
		}
	}
	if id != "" {
		return nil, bad("InvalidLaunchTemplateId.NotFound", "The specified launch template, with template ID "+id+", does not exist.")
	}
	return nil, bad("InvalidLaunchTemplateName.NotFoundException", "The specified launch template, with template name "+name+", does not exist.")
}

// number is the version that a word names.
func (t *template) number(word string) (string, error) {
	n, err := strconv.Atoi(word)
	switch {
	case word == "$Default":
		n = t.standard
	case word == "$Latest":
		n = len(t.versions)
	case err != nil || n < 1 || n > len(t.versions):
		return "", bad("InvalidLaunchTemplateId.VersionNotFound", "Could not find launch template version "+word)
	}
	return strconv.Itoa(n), nil
}

type versionItem struct {
	ID      string `xml:"launchTemplateId"`
	Name    string `xml:"launchTemplateName"`
	Number  int    `xml:"versionNumber"`
	Default bool   `xml:"defaultVersion"`
	Mark    string `xml:"versionDescription"`
	Data    data   `xml:"launchTemplateData"`
}

type data struct {
	Image    string   `xml:"imageId"`
	Shutdown string   `xml:"instanceInitiatedShutdownBehavior"`
	UserData string   `xml:"userData"`
	Profile  string   `xml:"iamInstanceProfile>name"`
	Groups   []string `xml:"securityGroupIdSet>item"`
	Tokens   string   `xml:"metadataOptions>httpTokens"`
	Hops     string   `xml:"metadataOptions>httpPutResponseHopLimit"`
	Tags     string   `xml:"metadataOptions>instanceMetadataTags"`
	Disks    []disk   `xml:"blockDeviceMappingSet>item"`
}

type disk struct {
	Name      string `xml:"deviceName"`
	Size      string `xml:"ebs>volumeSize,omitempty"`
	Kind      string `xml:"ebs>volumeType,omitempty"`
	Encrypted string `xml:"ebs>encrypted,omitempty"`
	Delete    string `xml:"ebs>deleteOnTermination,omitempty"`
}

func (t *template) version(n int) versionItem {
	f := form(t.versions[n-1]).under("LaunchTemplateData")
	options := f.under("MetadataOptions")
	d := data{
		Image: f.get("ImageId"), Shutdown: f.get("InstanceInitiatedShutdownBehavior"), UserData: f.get("UserData"),
		Profile: f.get("IamInstanceProfile.Name"), Groups: f.list("SecurityGroupId"),
		Tokens: options.get("HttpTokens"), Hops: options.get("HttpPutResponseHopLimit"), Tags: options.get("InstanceMetadataTags"),
	}
	for _, m := range f.each("BlockDeviceMapping") {
		e := m.under("Ebs")
		d.Disks = append(d.Disks, disk{m.get("DeviceName"), e.get("VolumeSize"), e.get("VolumeType"), e.get("Encrypted"), e.get("DeleteOnTermination")})
	}
	return versionItem{t.id, t.name, n, n == t.standard, t.versions[n-1].Get("VersionDescription"), d}
}

func (s *Server) describeVersions(f form) (any, error) {
	if err := f.only("LaunchTemplateName", "LaunchTemplateId", "LaunchTemplateVersion", "ResolveAlias", "Filter"); err != nil {
		return nil, err
	}
	t, err := s.named(f.get("LaunchTemplateId"), f.get("LaunchTemplateName"))
	if err != nil {
		return nil, err
	}
	var found []versionItem
	for _, word := range f.list("LaunchTemplateVersion") {
		n, err := t.number(word)
		if err != nil {
			return nil, err
		}
		i, _ := strconv.Atoi(n) // of our own making
		found = append(found, t.version(i))
	}
	return struct {
		Found []versionItem `xml:"launchTemplateVersionSet>item"`
	}{found}, nil
}

// Put sets a launch template to what a call to make it would say.
func (s *Server) Put(name string, data map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := url.Values{"LaunchTemplateName": {name}}
	for k, v := range data {
		f.Set("LaunchTemplateData."+k, v)
	}
	s.templates = append(s.templates, &template{id: fmt.Sprintf("lt-%d", len(s.templates)), name: name, standard: 1, versions: []url.Values{f}})
}
