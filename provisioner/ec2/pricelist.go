package ec2

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	"github.com/aws/aws-sdk-go-v2/service/pricing/types"

	"bobine/provisioner"
)

// pricesHome is one of the few regions that answer for all others
// (https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html).
const pricesHome = "us-east-1"

var errUnlisted = errors.New("the price list does not have it")

// price is what a type costs on demand, an hour: as it is set, by the table
// where that is of this region, else by AWS's price list.
func (p *Provider) price(ctx context.Context, t Type) (provisioner.Money, error) {
	if t.Price > 0 {
		return t.Price, nil
	}
	if byTable, ok := Price(t.Name); ok && p.o.Region == PricesRegion {
		return byTable, nil
	}
	listed, err := p.listed(ctx, t.Name)
	if err != nil {
		return 0, fmt.Errorf("the price of %s on demand in %s is not known, set it in the configuration: %w", t.Name, p.o.Region, err)
	}
	return listed, nil
}

// known is what a type costs on demand, an hour, as far as that is known
// without asking; 0: it is not.
func (p *Provider) known(name string) provisioner.Money {
	for _, t := range p.o.Types {
		if t.Name == name && t.Price > 0 {
			return t.Price
		}
	}
	if byTable, ok := Price(name); ok && p.o.Region == PricesRegion {
		return byTable
	}
	for _, k := range p.catalogue.kinds.last() {
		if k.name == name {
			return k.price
		}
	}
	return 0
}

// listed asks the price list for Linux on shared hardware.
func (p *Provider) listed(ctx context.Context, name string) (provisioner.Money, error) {
	in := &pricing.GetProductsInput{ServiceCode: aws.String("AmazonEC2"), FormatVersion: aws.String("aws_v1")}
	for _, f := range [][2]string{
		{"instanceType", name}, {"regionCode", p.o.Region}, {"operatingSystem", "Linux"}, {"tenancy", "Shared"},
		{"preInstalledSw", "NA"}, {"capacitystatus", "Used"},
	} {
		in.Filters = append(in.Filters, types.Filter{Type: types.FilterTypeTermMatch, Field: aws.String(f[0]), Value: aws.String(f[1])})
	}
	out, err := p.prices.GetProducts(ctx, in)
	if err != nil {
		return 0, fmt.Errorf("ask the price list: %w", fault(err))
	}
	var dearest provisioner.Money
	for _, text := range out.PriceList {
		price, err := listPrice(text)
		if err != nil {
			return 0, err
		}
		dearest = max(dearest, price)
	}
	if dearest == 0 {
		return 0, errUnlisted
	}
	return dearest, nil
}

// listPrice reads one product of the price list; 0: it has no price by the
// hour.
func listPrice(text string) (provisioner.Money, error) {
	var product struct {
		Terms struct {
			OnDemand map[string]struct {
				Dimensions map[string]struct {
					Unit  string            `json:"unit"`
					Price map[string]string `json:"pricePerUnit"`
				} `json:"priceDimensions"`
			} `json:"OnDemand"`
		} `json:"terms"`
	}
	if err := json.Unmarshal([]byte(text), &product); err != nil {
		return 0, fmt.Errorf("read the price list: %w", err)
	}
	var dearest provisioner.Money
	for _, term := range product.Terms.OnDemand {
		for _, d := range term.Dimensions {
			if d.Unit != "Hrs" || d.Price["USD"] == "" {
				continue
			}
			price, err := provisioner.ParseMoney(d.Price["USD"])
			if err != nil {
				return 0, fmt.Errorf("read the price list: %w", err)
			}
			dearest = max(dearest, price)
		}
	}
	return dearest, nil
}
