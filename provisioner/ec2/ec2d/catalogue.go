package ec2d

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"bobine/provisioner"
)

func (s *Server) describeSubnets(f form) (any, error) {
	if err := f.only("SubnetId", "Filter"); err != nil {
		return nil, err
	}
	type item struct {
		ID   string `xml:"subnetId"`
		Zone string `xml:"availabilityZone"`
		Free int    `xml:"availableIpAddressCount"`
	}
	var all []item
	want := f.list("SubnetId")
	for _, zone := range s.o.Zones {
		if id := "subnet-" + zone; len(want) == 0 || slices.Contains(want, id) {
			all = append(all, item{id, zone, 250})
		}
	}
	for _, id := range want {
		if !slices.ContainsFunc(all, func(i item) bool { return i.ID == id }) {
			return nil, bad("InvalidSubnetID.NotFound", "The subnet ID '"+id+"' does not exist")
		}
	}
	cut, next, err := page(s, f, all)
	return struct {
		Next  string `xml:"nextToken,omitempty"`
		Found []item `xml:"subnetSet>item"`
	}{next, cut}, err
}

func (s *Server) types(f form) []string {
	want := append(f.list("InstanceType"), f.filters()["instance-type"]...)
	all := slices.Sorted(maps.Keys(s.o.Types))
	return slices.DeleteFunc(all, func(t string) bool { return len(want) > 0 && !slices.Contains(want, t) })
}

func (s *Server) describeTypes(f form) (any, error) {
	if err := f.only("InstanceType", "Filter"); err != nil {
		return nil, err
	}
	type item struct {
		Type   string   `xml:"instanceType"`
		VCPUs  int      `xml:"vCpuInfo>defaultVCpus"`
		Usage  []string `xml:"supportedUsageClasses>item"`
		Arches []string `xml:"processorInfo>supportedArchitectures>item"`
	}
	var all []item
	for _, t := range s.types(f) {
		arch := "x86_64"
		if family, _, _ := strings.Cut(t, "."); strings.HasSuffix(family, "g") {
			arch = "arm64"
		}
		all = append(all, item{t, s.o.Types[t], []string{"on-demand", "spot"}, []string{arch}})
	}
	for _, t := range f.list("InstanceType") {
		if s.o.Types[t] == 0 {
			return nil, bad("InvalidInstanceType", "The following supplied instance types do not exist: ["+t+"]")
		}
	}
	cut, next, err := page(s, f, all)
	return struct {
		Next  string `xml:"nextToken,omitempty"`
		Found []item `xml:"instanceTypeSet>item"`
	}{next, cut}, err
}

func (s *Server) describeOfferings(f form) (any, error) {
	if err := f.only("LocationType", "Filter"); err != nil {
		return nil, err
	}
	type item struct {
		Type  string `xml:"instanceType"`
		Kind  string `xml:"locationType"`
		Place string `xml:"location"`
	}
	var all []item
	for _, t := range s.types(f) {
		for _, zone := range s.o.Zones {
			all = append(all, item{t, "availability-zone", zone})
		}
	}
	cut, next, err := page(s, f, all)
	return struct {
		Next  string `xml:"nextToken,omitempty"`
		Found []item `xml:"instanceTypeOfferingSet>item"`
	}{next, cut}, err
}

func (s *Server) describeSpot(f form) (any, error) {
	if err := f.only("InstanceType", "ProductDescription", "StartTime", "Filter"); err != nil {
		return nil, err
	}
	type item struct {
		Type    string `xml:"instanceType"`
		Product string `xml:"productDescription"`
		Price   string `xml:"spotPrice"`
		Zone    string `xml:"availabilityZone"`
		At      string `xml:"timestamp"`
	}
	var all []item
	pools := slices.SortedFunc(maps.Keys(s.o.Spot), func(a, b provisioner.Pool) int { return strings.Compare(a.String(), b.String()) })
	for _, p := range pools {
		price := s.o.Spot[p]
		at := stamp(s.o.Now())
		if price < 0.001 {
			at = "2006-01-02T15:04:05.000Z" // as an emulator has it
		}
		if slices.Contains(s.types(f), p.Type) {
			all = append(all, item{p.Type, "Linux/UNIX", strconv.FormatFloat(price, 'f', 6, 64), p.Zone, at})
		}
	}
	cut, next, err := page(s, f, all)
	return struct {
		Next  string `xml:"nextToken"` // empty on the last page, as EC2 has it
		Found []item `xml:"spotPriceHistorySet>item"`
	}{next, cut}, err
}

func (s *Server) describeImages(f form) (any, error) {
	if err := f.only("ImageId", "Filter"); err != nil {
		return nil, err
	}
	type item struct {
		ID    string `xml:"imageId"`
		State string `xml:"imageState"`
		Arch  string `xml:"architecture"`
		Name  string `xml:"name"`
	}
	for _, id := range f.list("ImageId") {
		if id != s.o.Image {
			return nil, bad("InvalidAMIID.NotFound", "The image id '["+id+"]' does not exist")
		}
	}
	return struct {
		Found []item `xml:"imagesSet>item"`
	}{[]item{{s.o.Image, "available", "arm64", "bobine"}}}, nil
}

func (s *Server) describeAccount(f form) (any, error) {
	if err := f.only("AttributeName"); err != nil {
		return nil, err
	}
	type item struct {
		Name   string   `xml:"attributeName"`
		Values []string `xml:"attributeValueSet>item>attributeValue"`
	}
	return struct {
		Found []item `xml:"accountAttributeSet>item"`
	}{[]item{{"max-instances", []string{"20"}}, {"supported-platforms", []string{"VPC"}}}}, nil
}
