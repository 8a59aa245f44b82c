package core

import "context"

// Customer is whose work something is, where customers share it: that of a token.
type Customer struct {
	OrgID OrgID
	AppID AppID // empty: the organisation's own
}

// Customer is whose requests a token of the scope makes.
func (s Scope) Customer() Customer { return Customer{s.OrgID, s.AppID} }

type customerKey struct{}

// WithCustomer returns a context for the work of a customer.
func WithCustomer(ctx context.Context, c Customer) context.Context {
	return context.WithValue(ctx, customerKey{}, c)
}

// CustomerOf returns whose work a context is for; that of no customer, such as a job's, is the zero value's.
func CustomerOf(ctx context.Context) Customer {
	c, _ := ctx.Value(customerKey{}).(Customer)
	return c
}
