"""Prints the numbers that src/table/profile_test.cc holds profiles against. Needs numpy, pandas and scipy."""
import sys

import pandas as pd
from scipy import stats

DATA = sys.argv[1] if len(sys.argv) > 1 else "../shared/data"


def show(name, column):
    present = column.dropna()
    print(f'{name}: {len(column)} rows, {column.isna().sum()} missing, {present.nunique()} different, '
          f'min {present.min():.17g}, max {present.max():.17g}, mean {present.mean():.17g}, '
          f'stddev {present.std():.17g}, skewness {stats.skew(present):.17g}')
    print('  quantiles', [float(present.quantile(q)) for q in (0.01, 0.25, 0.5, 0.75, 0.99)])


housing = pd.read_csv(f"{DATA}/california_housing/housing.csv.gz")
for name in ("median_income", "total_bedrooms"):
    show("housing " + name, housing[name])
adult = pd.read_csv(f"{DATA}/adult_income/adult-train.csv.gz", header=None, skipinitialspace=True)
for name in (0, 2, 10):
    show(f"adult {name}", adult[name])
print("adult 3 top", adult[3].value_counts().head(3).to_dict())
