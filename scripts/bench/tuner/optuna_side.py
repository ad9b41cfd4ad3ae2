"""Optuna on the problems of problems.py. Imported only by a Python that has it (scripts/setup --optuna)."""

import warnings

import optuna

warnings.filterwarnings("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)


def sampler_of(name, seed):
    """Each with Optuna's own defaults, which is what its users run."""
    if name == "tpe":
        return optuna.samplers.TPESampler(seed=seed)
    if name == "cmaes":
        return optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
    if name == "gp":
        return optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False)
    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    raise SystemExit(f"Optuna has no counterpart of {name} here")


def suggest(trial, space):
    params = {}
    for name, domain in space.items():
        if "choice" in domain:
            params[name] = trial.suggest_categorical(name, domain["choice"])
        elif "int" in domain:
            params[name] = trial.suggest_int(name, *domain["int"], log=domain.get("log", False))
        else:
            params[name] = trial.suggest_float(name, *domain["float"], log=domain.get("log", False))
    return params


class Optuna:
    name = "Optuna"

    def __init__(self, space, sampler, seed, **_):
        self.space = space
        self.study = optuna.create_study(sampler=sampler_of(sampler, seed))

    def ask(self):
        trial = self.study.ask()
        return trial, suggest(trial, self.space)

    def tell(self, trial, value):
        if value is None:
            self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            self.study.tell(trial, value)

    def prefill(self, points, objective):
        distributions = {}
        for name, domain in self.space.items():
            log = domain.get("log", False)
            if "choice" in domain:
                distributions[name] = optuna.distributions.CategoricalDistribution(domain["choice"])
            elif "int" in domain:
                distributions[name] = optuna.distributions.IntDistribution(*domain["int"], log=log)
            else:
                distributions[name] = optuna.distributions.FloatDistribution(*domain["float"], log=log)
        self.study.add_trials([
            optuna.trial.create_trial(params=params, distributions=distributions, value=float(objective(params)))
            for params in points])

    def used(self):
        """How many trials its CMA-ES learnt from: population_size of each generation that was closed. A generation's
        number is in a trial's attributes, the population of 4 + 3 ln d is the package's default."""
        import math
        population = 4 + math.floor(3 * math.log(len(self.space)))
        newest = max(value for trial in self.study.trials for key, value in trial.system_attrs.items()
                     if key.endswith("generation"))
        return newest * population

    def close(self):
        pass


def versions():
    import importlib.metadata
    packages = ("optuna", "cmaes", "coco-experiment", "numpy", "scipy")
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
