// The scaffolder and catalog pages of Backstage and its sign-in page, unchanged.
import React from 'react';
import ReactDOM from 'react-dom/client';
import { createApp } from '@backstage/frontend-defaults';
import { createFrontendModule } from '@backstage/frontend-plugin-api';
import { SignInPageBlueprint } from '@backstage/plugin-app-react';
import { SignInPage } from '@backstage/core-components';
import catalogPlugin from '@backstage/plugin-catalog/alpha';
import scaffolderPlugin from '@backstage/plugin-scaffolder/alpha';
import '@backstage/ui/css/styles.css';

const signIn = createFrontendModule({
  pluginId: 'app',
  extensions: [SignInPageBlueprint.make({ params: { loader: async () => props => <SignInPage {...props} auto providers={['guest']} /> } })],
});

ReactDOM.createRoot(document.getElementById('root')).render(createApp({ features: [catalogPlugin, scaffolderPlugin, signIn] }).createRoot());
