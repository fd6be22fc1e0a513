// What a dashboard and a data source may hold, put together from the types that Grafana publishes.
import type { Dashboard, DashboardLink, FieldConfig, Panel, RowPanel, VariableModel } from './node_modules/@grafana/schema/dist/types/raw/dashboard/x/types.gen';
import type * as bargauge from './node_modules/@grafana/schema/dist/types/raw/composable/bargauge/panelcfg/x/types.gen';
import type * as logs from './node_modules/@grafana/schema/dist/types/raw/composable/logs/panelcfg/x/types.gen';
import type * as nodegraph from './node_modules/@grafana/schema/dist/types/raw/composable/nodegraph/panelcfg/x/types.gen';
import type * as stat from './node_modules/@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen';
import type * as table from './node_modules/@grafana/schema/dist/types/raw/composable/table/panelcfg/x/types.gen';
import type * as text from './node_modules/@grafana/schema/dist/types/raw/composable/text/panelcfg/x/types.gen';
import type * as timeseries from './node_modules/@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen';
import type { TraceToLogsOptionsV2 } from './node_modules/@grafana/o11y-ds-frontend/dist/types/TraceToLogs/TraceToLogsSettings';
import type { TraceToMetricsOptions } from './node_modules/@grafana/o11y-ds-frontend/dist/types/TraceToMetrics/TraceToMetricsSettings';
import type { PromOptions } from './node_modules/@grafana/prometheus/dist/types/types';

// A file has the words of an enumeration, not its members.
type Written<T> = T extends string ? `${T}` : T extends object ? { [K in keyof T]: Written<T[K]> } : T;

// A panel's link is written as Grafana itself saves one: the other fields of a dashboard's link mean nothing there.
type PanelLink = Pick<DashboardLink, 'title' | 'url'>;

type Kind<Type extends string, Options, Custom = never> = Omit<Panel, 'type' | 'options' | 'fieldConfig' | 'links'> & {
  type: Type;
  links?: PanelLink[];
  // Grafana fills in what is left out.
  options?: Partial<Options>;
  fieldConfig?: Omit<NonNullable<Panel['fieldConfig']>, 'defaults'> & {
    defaults: Omit<FieldConfig, 'custom'> & { custom?: Partial<Custom> };
  };
};

type AnyPanel =
  | Kind<'bargauge', bargauge.Options>
  | Kind<'logs', logs.Options>
  | Kind<'nodeGraph', nodegraph.Options>
  | Kind<'stat', stat.Options>
  | Kind<'table', table.Options, table.FieldConfig>
  | Kind<'text', text.Options>
  | Kind<'timeseries', timeseries.Options, timeseries.FieldConfig>;

type Row = Omit<RowPanel, 'panels'> & { panels: AnyPanel[] };

// `definition` repeats a variable's query as text; Grafana saves it, its schema leaves it out.
type Variable = VariableModel & { definition?: string };

export type DashboardFile = Written<
  Omit<Dashboard, 'panels' | 'templating'> & { panels: (AnyPanel | Row)[]; templating: { list: Variable[] } }
>;

// The types of Tempo's and Loki's own settings are published nowhere; those of the links that Tempo shares are.
export type DataSource = { prometheus: Written<PromOptions>; tempo: Tempo; loki: Record<string, unknown> };

type Tempo = { tracesToLogsV2: TraceToLogsOptionsV2; tracesToMetrics: TraceToMetricsOptions; [own: string]: unknown };
