package postgres

import "context"

// Statement returns the statement with which GetMany reads rows, for tests that
// look at its plan.
func (s *RowStore) Statement(ctx context.Context) (string, error) {
	d, err := describe(ctx, s.cfg.Primary, s.table, s.cfg.ID)
	if err != nil {
		return "", err
	}
	return s.statement(d, []string{"to_jsonb(t.*)::text"}), nil
}
