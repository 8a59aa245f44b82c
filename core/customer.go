package core

import "context"

// Customer identifies whom work is done for, where customers share connections or memory. Every token belongs to one
// customer.
type Customer struct {
	OrgID OrgID
	AppID AppID // empty: the organisation itself
}

// Customer returns the customer that tokens of the scope belong to.
func (s Scope) Customer() Customer { return Customer{s.OrgID, s.AppID} }

type customerKey struct{}

// WithCustomer returns a context for the work of a customer.
func WithCustomer(ctx context.Context, c Customer) context.Context {
	return context.WithValue(ctx, customerKey{}, c)
}

// CustomerOf returns the customer that a context's work is for. Work for no customer, such as a job's, has the zero value.
func CustomerOf(ctx context.Context) Customer {
	c, _ := ctx.Value(customerKey{}).(Customer)
	return c
}
