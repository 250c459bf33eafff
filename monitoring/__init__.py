"""What the appliance tells the outside: log, metrics, health. Imports no other package of ours."""
