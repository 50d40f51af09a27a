"""Reports over the log: any measure by any slice, for any period."""
